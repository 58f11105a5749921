#!/bin/sh
# Runs the tests on the CPU and on software GPU drivers, which it installs first if they are missing.
#
#   sh tests/run.sh [arguments for cargo test]
#
# Without arguments: every test that is not marked as ignored, and the examples in the documentation. Ignored tests
# take long or much memory; .ci/run runs them, and the programs of examples/.
#
# HADAMARD_TEST_DEVICES names the devices that must be there, so that no test passes by having nothing to run on.
# By default: the CPU, and Mesa's llvmpipe through Vulkan (lavapipe) and through GL.
set -eu
cd "$(dirname "$0")/.."

have_library() {
    { ldconfig -p 2>/dev/null || /sbin/ldconfig -p 2>/dev/null || true; } | grep -q "$1"
}

have_file() {
    for found in "$@"; do
        if [ -e "$found" ]; then return 0; fi
    done
    return 1
}

install_drivers() {
    missing=""
    have_library libvulkan.so.1 && have_file /usr/share/vulkan/icd.d/lvp_icd*.json || missing="$missing mesa-vulkan-drivers libvulkan1"
    have_library libEGL.so.1 && have_file /usr/share/glvnd/egl_vendor.d/*mesa.json || missing="$missing libegl1 libgl1-mesa-dri"
    if [ -z "$missing" ]; then return; fi

    if ! command -v apt-get >/dev/null; then
        echo "The tests run on software GPU drivers, and some are missing. Please install Mesa's lavapipe and EGL:" >&2
        echo "  Fedora  dnf install mesa-vulkan-drivers mesa-libEGL mesa-dri-drivers vulkan-loader" >&2
        echo "  Arch    pacman -S vulkan-swrast vulkan-icd-loader mesa" >&2
        echo "  Alpine  apk add mesa-vulkan-swrast mesa-egl mesa-gl mesa-dri-gallium vulkan-loader" >&2
        echo "or name the devices to be tested, for instance: HADAMARD_TEST_DEVICES=cpu sh tests/run.sh" >&2
        exit 1
    fi
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "Please install as root: apt-get install$missing" >&2; exit 1; }
        as_root="sudo"
    fi
    echo "Installing software GPU drivers: $as_root apt-get install$missing"
    $as_root apt-get update -qq
    # The list is words on purpose.
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# Whoever names the devices knows what is installed.
if [ -z "${HADAMARD_TEST_DEVICES:-}" ]; then
    case "$(uname -s)" in
    Linux)
        install_drivers
        HADAMARD_TEST_DEVICES="cpu,llvmpipe,gl"
        ;;
    *) HADAMARD_TEST_DEVICES="cpu" ;;
    esac
fi
export HADAMARD_TEST_DEVICES
# Without a desktop session, a layer of Mesa's that asks the desktop for its GPU prints errors.
if [ -z "${XDG_RUNTIME_DIR:-}" ]; then export NODEVICE_SELECT=1; fi
# Built once and run: what speeds up the next build slows down this one, and a failed test says where without debug info.
export CARGO_INCREMENTAL="${CARGO_INCREMENTAL:-0}" CARGO_PROFILE_DEV_DEBUG="${CARGO_PROFILE_DEV_DEBUG:-false}"
echo "Testing on: $HADAMARD_TEST_DEVICES"
if [ $# -gt 0 ]; then exec cargo test --features cli "$@"; fi
# `cargo test` alone would build every example, too.
cargo test --features cli --lib --bins --tests
exec cargo test --features cli --doc
