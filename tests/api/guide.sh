#!/bin/sh
# guide.sh GUIDE SOURCE: each piece of C in the guide stands, line by line, in the example it names.
# Would catch: a guide that shows what no example does any more.
set -eu
awk -v source="$2" '
function read_file(name,    line, all) {
    if (!(name in files)) {
        all = "\n"
        while ((getline line < (source "/" name)) > 0)
            all = all line "\n"
        files[name] = all
    }
    return files[name]
}
/^```c/ { name = $2; piece = "\n"; inside = 1; pieces++; next }
/^```/ && inside {
    inside = 0
    if (name == "" || !index(read_file(name), piece)) {
        printf "not in %s:%s", name, piece
        bad = 1
    }
    next
}
inside { piece = piece $0 "\n" }
END {
    if (pieces < 5)
        print "only " pieces " pieces of C found"
    exit bad || pieces < 5
}' "$1"
