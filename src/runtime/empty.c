/* placeholder */ typedef int npri_runtime_empty;
