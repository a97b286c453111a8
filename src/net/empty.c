/* placeholder */ typedef int npri_net_empty;
