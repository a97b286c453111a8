/* placeholder */ typedef int npri_term_empty;
