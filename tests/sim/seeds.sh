#!/bin/sh
# seeds.sh SIMULATOR FIRST COUNT [OPTION...]: that many runs, in which nothing may be wrong.
set -eu
simulator=$1 first=$2 count=$3
shift 3
"$simulator" --first "$first" --seeds "$count" --jobs 2 "$@"
