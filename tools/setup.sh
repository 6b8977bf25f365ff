# setup.sh - shared by ./run and ./test: install what is missing, configure, build. To be sourced by bash.
# Everything it says goes to standard error: standard output belongs to the answer.

shoal_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

build_packages=(build-essential cmake ninja-build pkg-config libjansson-dev libssl-dev libpcre2-dev libutf8proc-dev
    libprotobuf-c-dev protobuf-c-compiler libmicrohttpd-dev libedit-dev libcmocka-dev libstb-dev)
# What adds a feature: tried, said when it cannot be had, and done without.
optional_packages=(libtesseract-dev tesseract-ocr tesseract-ocr-fas)
test_packages=(clang-19 libclang-rt-19-dev python3 python3-venv curl)

say() { printf 'shoal: %s\n' "$*" >&2; }

# missing_packages NAME...: those that dpkg does not have installed, on one line.
missing_packages() {
    local name missing=()
    for name in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
    done
    echo "${missing[*]}"
}

# as_root COMMAND...: run it as root, through sudo when need be.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# install_packages NAME...: with apt, only what is missing; no network is touched when all is there.
install_packages() {
    local missing
    if ! command -v dpkg-query >/dev/null; then
        say "this is no Debian system: what is needed goes by these Debian names: $*"
        return 0
    fi
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        say "missing: $missing"
        say "install them as root (apt-get install $missing) and start again"
        return 1
    fi
    say "installing: $missing"
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    # shellcheck disable=SC2086  # the list is split into words on purpose
    as_root "${apt[@]}" update >&2 </dev/null &&
        as_root "${apt[@]}" install -y --no-install-recommends $missing >&2 </dev/null && return 0
    say "the packages could not be installed: $missing"
    return 1
}

# install_optional: asked for once; what was refused then is not asked for again, so that a machine without a network starts at once.
install_optional() {
    local refused="$shoal_root/build/optional-refused" missing
    command -v dpkg-query >/dev/null || return 0
    missing=$(missing_packages "${optional_packages[@]}")
    [ -n "$missing" ] || return 0
    [ "$(cat "$refused" 2>/dev/null)" = "$missing" ] && return 0
    install_packages "${optional_packages[@]}" && return 0
    say "going on without them: 'shoal read' then needs a model of its own (rm $refused to try again)"
    mkdir -p "$shoal_root/build" && printf '%s' "$missing" >"$refused"
}

# configure PRESET [CMAKE ARGUMENT...]: once; later the build itself notices changed CMake files.
configure() {
    local preset=$1 dir="$shoal_root/build/$1" fresh=()
    shift
    if [ -f "$dir/CMakeCache.txt" ]; then
        # A folder that was moved or copied is configured anew.
        if grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$shoal_root" "$dir/CMakeCache.txt"; then
            [ $# = 0 ] && [ -f "$dir/build.ninja" ] && return 0
        else
            fresh=(--fresh)
        fi
    fi
    mkdir -p "$dir"
    (cd "$shoal_root" && cmake "${fresh[@]}" --preset "$preset" "$@") >"$dir/configure.log" 2>&1 && return 0
    tail -n 30 "$dir/configure.log" >&2
    say "cmake failed; all it said is in $dir/configure.log"
    return 1
}

# build_program: build/release/shoal, by one process at a time. Ninja's own status line shows on a terminal.
build_program() {
    local dir="$shoal_root/build/release"
    mkdir -p "$shoal_root/build"
    exec 9>"$shoal_root/build/.lock"
    flock 9
    configure release || return 1
    if [ -x "$dir/shoal" ]; then
        ninja -C "$dir" --quiet shoal >"$dir/build.log" 2>&1 9>&-
    elif [ -t 2 ]; then
        say "building, this takes a minute or two"
        ninja -C "$dir" shoal >&2 9>&-
    else
        say "building, this takes a minute or two"
        ninja -C "$dir" shoal >"$dir/build.log" 2>&1 9>&-
    fi || {
        [ -s "$dir/build.log" ] && tail -n 40 "$dir/build.log" >&2
        say "the build failed"
        return 1
    }
    exec 9>&-
}
