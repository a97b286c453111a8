/* placeholder */ typedef int npri_dist_empty;
