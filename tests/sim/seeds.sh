#!/bin/sh
# seeds.sh SIMULATOR FIRST COUNT: that many runs, in which nothing may be wrong.
set -eu
"$1" --first "$2" --seeds "$3" --jobs 2
