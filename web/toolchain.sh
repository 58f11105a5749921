#!/bin/sh
# web/toolchain.sh FOLDER: a Rust compiler for wasm32-unknown-unknown on Debian, where `rustup target add` cannot be had.
#
# Debian's rustc-web is unpacked into the folder with its own LLVM and the sources of std, and std is built once. Nothing
# is installed. Afterwards `. FOLDER/env.sh` has cargo build for the target as usual.
set -eu
mkdir -p "$1"
dir=$(cd "$1" && pwd)
[ -e "$dir/done" ] && exit 0
rm -rf "$dir/debs" "$dir/root" "$dir/std"
mkdir -p "$dir/debs" "$dir/root" "$dir/bin"
cd "$dir/debs"
apt-get update -qq
packages=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
    --no-enhances rustc-web | grep -E '^(rustc-web|libstd-rust-web|libllvm[0-9]+)' | sort -u)
# shellcheck disable=SC2086 # one word a package
apt-get download -qq $packages rust-web-src 2>/dev/null
for package in *.deb; do
    case $package in
    rust-web-src*)
        dpkg-deb --fsys-tarfile "$package" |
            tar -x -C "$dir/root" --wildcards './usr/lib/rustlib/src/*' './usr/src/rustc-*/library/*'
        ;;
    *) dpkg-deb -x "$package" "$dir/root" ;;
    esac
done
cd "$dir"
rm -rf debs
cat >"$dir/bin/rustc-web" <<EOF
#!/bin/sh
LD_LIBRARY_PATH="$dir/root/usr/lib/x86_64-linux-gnu\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}" exec "$dir/root/usr/bin/rustc" "\$@"
EOF
chmod +x "$dir/bin/rustc-web"
# rust-lld itself: the wrapper beside it refuses the flavor that rustc asks for.
host=$(rustc -vV | sed -n 's/^host: //p')
linker=$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld
cat >"$dir/env.sh" <<EOF
export RUSTC="$dir/bin/rustc-web"
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker"
EOF
. "$dir/env.sh"

mkdir -p "$dir/std/src"
cd "$dir/std"
printf '[package]\nname = "std-for-wasm"\nversion = "0.0.0"\nedition = "2024"\n[lib]\ncrate-type = ["rlib"]\n[workspace]\n' >Cargo.toml
: >src/lib.rs
# With its bitcode, so that what is unused of it can be left out.
RUSTC_BOOTSTRAP=1 RUSTFLAGS="-C embed-bitcode=yes" CARGO_TARGET_DIR="$dir/std/target" cargo build -q --release \
    --target wasm32-unknown-unknown -Zbuild-std=std,panic_abort
lib=$dir/root/usr/lib/rustlib/wasm32-unknown-unknown/lib
mkdir -p "$lib"
cp target/wasm32-unknown-unknown/release/deps/*.rlib "$lib"
rm -rf "$lib"/libstd_for_wasm* "$dir/std"
touch "$dir/done"
