/* placeholder */ typedef int npri_core_empty;
