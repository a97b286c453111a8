/* placeholder */ typedef int npri_node_empty;
