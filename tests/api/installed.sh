#!/bin/sh
# installed.sh CMAKE BUILD SOURCE CC FLAGS LIBDIR: an installed copy, in a folder of its own, builds
# and runs examples/hello.c by pkg-config and by CMake, with the shared and the static library.
# Would catch: a header, a library or a dependency that is not installed or not named, a path into the
# build, a library that runs only where it was built.
set -u
cmake=$1 build=$2 source=$3 cc=$4 flags=$5 libdir=$6
expected='{hello,<<"world">>,1}'
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
copy=$dir/copy/usr

fail() {
    echo "FAILED: $*"
    cat "$dir/log" 2>/dev/null
    exit 1
}

check() { # check PROGRAM: it runs and answers
    actual=$("$1" 2>&1) && [ "$actual" = "$expected" ] || fail "$1: $actual"
}

DESTDIR=$dir/copy "$cmake" --install "$build" --prefix /usr >"$dir/log" 2>&1 || fail "install"
if grep -rlF "$build" "$copy/$libdir/pkgconfig" "$copy/$libdir/cmake" "$copy/include"; then
    fail "an installed file names the folder of the build"
fi
LD_LIBRARY_PATH=$copy/$libdir
export LD_LIBRARY_PATH

PKG_CONFIG_PATH=$copy/$libdir/pkgconfig
export PKG_CONFIG_PATH
# shellcheck disable=SC2046,SC2086 # one word per flag, throughout
{
    "$cc" -std=c17 $flags "$source/examples/hello.c" -o "$dir/by_pkg_config" \
        $(pkg-config --cflags --libs nprocreg) >"$dir/log" 2>&1 || fail "pkg-config"
    check "$dir/by_pkg_config"
    "$cc" -std=c17 $flags $(pkg-config --cflags nprocreg) "$source/examples/hello.c" \
        -o "$dir/by_pkg_config_static" "$copy/$libdir/libnprocreg.a" \
        $(pkg-config --libs --static nprocreg | sed 's/-lnprocreg//') >"$dir/log" 2>&1 ||
        fail "pkg-config --static"
    check "$dir/by_pkg_config_static"
}

mkdir "$dir/project"
cat >"$dir/project/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES C)
find_package(nprocreg 0.1 REQUIRED COMPONENTS static)
foreach(kind nprocreg static)
    add_executable(by_cmake_\${kind} "$source/examples/hello.c")
    target_link_libraries(by_cmake_\${kind} PRIVATE nprocreg::\${kind})
endforeach()
END
"$cmake" -S "$dir/project" -B "$dir/project/build" -DCMAKE_PREFIX_PATH="$copy" -DCMAKE_C_COMPILER="$cc" \
    -DCMAKE_C_FLAGS="$flags" >"$dir/log" 2>&1 || fail "cmake finds it"
"$cmake" --build "$dir/project/build" >"$dir/log" 2>&1 || fail "cmake builds it"
check "$dir/project/build/by_cmake_nprocreg"
check "$dir/project/build/by_cmake_static"

[ "$("$copy/bin/nprocreg" --version)" = "$(pkg-config --modversion nprocreg | sed 's/^/nprocreg /')" ] ||
    fail "the command and nprocreg.pc say different versions"
[ -s "$copy/share/man/man1/nprocreg.1" ] || fail "the manual page is not installed"
