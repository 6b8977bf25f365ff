#!/usr/bin/env bash
# cli_install.sh [BUILD_FOLDER] - install into an empty folder and use what lies there, as a package's user does.
# Prints `ok`, `skip` or `FAIL` and a name for each check. Exit codes: 0 all well, 1 a check failed, 77 nothing is built.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(cd "${1:-$root/build/release}" 2>/dev/null && pwd) || { echo "skip all: nothing is built"; exit 77; }
[ -x "$build/shoal" ] || { echo "skip all: no program in $build"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

check() { # NAME COMMAND...
    local name=$1 log
    shift
    if log=$("$@" 2>&1); then
        echo "ok   $name"
    else
        echo "FAIL $name: ${log:0:400}"
        failed=1
    fi
}
have() { command -v "$1" >/dev/null; }
skip() { echo "skip $1: $2 is not installed"; }

check "cmake --install" cmake --install "$build" --prefix "$work/first"
# The tree is moved: nothing in it may remember where it was put first.
mv "$work/first" "$work/prefix"
prefix=$work/prefix
export SHOAL_HOME=$work/home PATH=$prefix/bin:$PATH
lib=$(dirname "$(find "$prefix" -name 'libshoal.so' | head -1)")
share=$prefix/share

check "the program runs" shoal version
check "the program is the installed one" [ "$(command -v shoal)" = "$prefix/bin/shoal" ]
check "no debris" [ -z "$(find "$prefix" -name '*.cmake' -o -name 'README*' -o -name '*.in')" ]
if [ -f "$root/models/minnow.gguf" ]; then
    check "minnow is found beside it" grep -q "^minnow .*(bundled)" <(cd "$work" && shoal list)
    answer() { [ -n "$(cd "$work" && shoal run minnow -n 8 "Tell me a story")" ]; }
    check "minnow answers" answer
else
    echo "skip minnow: models/minnow.gguf is not here"
fi

destdir() { DESTDIR=$work/dest cmake --install "$build" --prefix /usr && [ -x "$work/dest/usr/bin/shoal" ]; }
check "DESTDIR is honoured" destdir

# The library, as pkg-config tells to use it.
export PKG_CONFIG_PATH=$lib/pkgconfig
unset PKG_CONFIG_SYSROOT_DIR
model=$share/shoal/models/minnow.gguf
strict="-Wall -Wextra -Werror"
if have pkg-config && have cc; then
    check "pkg-config knows shoal" pkg-config --exists --print-errors shoal
    shared() { cc -std=c11 $strict "$root/tests/data/install/example.c" $(pkg-config --cflags --libs shoal) -o "$work/shared"; }
    static() {
        cc -std=c11 $strict "$root/tests/data/install/example.c" $(pkg-config --cflags shoal) "$lib/libshoal.a" \
            $(pkg-config --static --libs shoal | sed 's/-lshoal//') -o "$work/static"
    }
    check "C, shared" shared
    check "C, static" static
    check "the static one needs no libshoal.so" bash -c '! ldd "$1" | grep -q libshoal' - "$work/static"
    if [ -f "$model" ]; then
        run_shared() { LD_LIBRARY_PATH=$lib "$work/shared" "$model" "Once upon a time" >"$work/shared.txt" && [ -s "$work/shared.txt" ]; }
        check "the C program runs, shared" run_shared
        run_static() { "$work/static" "$model" "Once upon a time" >"$work/static.txt" && cmp "$work/shared.txt" "$work/static.txt"; }
        check "the C program runs, static: the same text" run_static
    fi
    if have c++; then
        cpp() { c++ -std=c++17 $strict "$root/tests/data/install/example.cpp" $(pkg-config --cflags --libs shoal) -o "$work/cpp"; }
        check "C++, shared" cpp
        run_cpp() { LD_LIBRARY_PATH=$lib "$work/cpp" "$model" | grep -q layers; }
        [ -f "$model" ] && check "the C++ program runs" run_cpp
    else
        skip "C++" c++
    fi
    for header in "$prefix"/include/shoal/*.h; do
        check "$(basename "$header") alone, C" cc -std=c11 $strict -fsyntax-only -x c -I "$prefix/include" "$header"
    done
else
    skip "the library" "pkg-config or cc"
fi
# The shared library gives away what its headers name, nothing else.
exported() { ! nm -D --defined-only "$lib/libshoal.so" | awk '{print $3}' | grep -v '^sh_'; }
have nm && check "only sh_ names are exported" exported

page=$share/man/man1/shoal.1
check "the man page is there" [ -s "$page" ]
if have groff; then
    groff_quiet() { local said; said=$(groff -ww -man -Tutf8 "$page" 2>&1 >"$work/page.txt"); [ -z "$said" ] || { echo "$said"; return 1; }; }
    check "groff finds nothing to complain of" groff_quiet
    for command in $(shoal help --names | grep -v ' '); do
        check "the page has $command" grep -q "shoal $command" <(sed 's/\x1b\[[0-9;]*m//g; s/.\x08//g' "$work/page.txt")
    done
else
    skip "groff" groff
fi
have man && check "man -l" bash -c 'MANWIDTH=80 man --warnings -l "$1" 2>&1 >/dev/null | grep . && exit 1; exit 0' - "$page"

# What the completion of bash offers for a line: complete WORD... (the last one is being typed).
bash_file=$share/bash-completion/completions/shoal
check "bash: syntax" bash -n "$bash_file"
offers() {
    # shellcheck source=/dev/null
    (. "$bash_file"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _shoal; printf '%s\n' "${COMPREPLY[@]}")
}
offered() { # WORD EXPECTED LINE...
    local want=$1
    shift
    offers "$@" | grep -qx -- "$want"
}
check "bash: commands" offered tokenize shoal to
check "bash: options" offered --max-tokens shoal run --max
check "bash: common options" offered --threads shoal list --th
check "bash: choices" offered q8 shoal run minnow --cache-type ""
check "bash: levels" offered avx2 shoal run minnow --cpu a
check "bash: sub-commands" offered digest shoal debug di
check "bash: options of sub-commands" offered --ids-file shoal debug logits --ids
check "bash: shells" offered fish shoal completion ""
check "bash: commands of help" offered bench shoal help be
[ -f "$model" ] && check "bash: models" offered minnow shoal run minn
check "bash: nothing of other commands" bash -c '[ -z "$1" ]' - "$(offers shoal list --max)"
if have zsh; then
    check "zsh: syntax" zsh -n "$share/zsh/site-functions/_shoal"
    zsh_load() { zsh -fc "fpath=($share/zsh/site-functions \$fpath); autoload -Uz compinit && compinit -u -d $work/dump && [[ \$_comps[shoal] == _shoal ]]"; }
    check "zsh: finds it" zsh_load
else
    skip "zsh" zsh
fi
if have fish; then
    check "fish: syntax" fish -n "$share/fish/vendor_completions.d/shoal.fish"
    fish_offers() { HOME=$work fish -c "source $share/fish/vendor_completions.d/shoal.fish; complete -C '$1'" | cut -f1 | grep -qx -- "$2"; }
    check "fish: commands" fish_offers "shoal to" tokenize
    check "fish: options" fish_offers "shoal run --max" --max-tokens
    check "fish: sub-commands" fish_offers "shoal debug di" digest
else
    skip "fish" fish
fi
exit $failed
