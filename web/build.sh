#!/bin/sh
# web/build.sh: makes the package in web/pkg, and the demo whole. Needs cargo and npm.
#
# `rustup target add wasm32-unknown-unknown` gives the compiler for it; where there is none, on Debian, toolchain.sh makes
# one. What is made once is kept in HADAMARD_WEB_TOOLS, else in web/target/tools. HADAMARD_WEB_PROFILE=quick builds sooner,
# larger modules.
set -eu
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-$PWD/target}
tools=${HADAMARD_WEB_TOOLS:-$target/tools}
profile=${HADAMARD_WEB_PROFILE:-release}

if ! [ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null)" ]; then
    sh toolchain.sh "$tools/toolchain"
    toolchain=$tools/toolchain/env.sh
fi
[ -d node_modules ] || npm install --silent --no-save --no-package-lock playwright-core@1.65.1 binaryen@132 typescript@5

bindgen() {
    version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/.*"\(.*\)"/\1/p;}' Cargo.lock)
    if [ "$(wasm-bindgen --version 2>/dev/null)" = "wasm-bindgen $version" ]; then
        wasm-bindgen --target web --remove-name-section --out-dir "$2" --out-name "$3" "$1"
    else
        CARGO_TARGET_DIR=$target/bindgen cargo build -q --locked --manifest-path bindgen/Cargo.toml
        "$target/bindgen/debug/bindgen" "$@"
    fi
}

rm -rf pkg demo/pkg
mkdir -p pkg
# A module for each kind of device, of which a page downloads what it uses.
for kind in gpu cpu; do
    (
        # shellcheck disable=SC1090 # written by toolchain.sh
        [ -z "${toolchain-}" ] || . "$toolchain"
        CARGO_TARGET_DIR=$target cargo build -q --locked --profile "$profile" --target wasm32-unknown-unknown --features "$kind"
    )
    bindgen "$target/wasm32-unknown-unknown/$profile/hadamard_web.wasm" pkg/wasm "$kind"
    made=pkg/wasm/${kind}_bg.wasm
    if [ "$profile" != quick ]; then
        # What browsers with WebGPU have; everything that binaryen knows would be more than they take.
        node node_modules/binaryen/bin/wasm-opt -Oz --mvp-features --enable-simd --enable-bulk-memory \
            --enable-bulk-memory-opt --enable-nontrapping-float-to-int --enable-sign-ext --enable-mutable-globals \
            --enable-reference-types --enable-multivalue --enable-call-indirect-overlong "$made" -o "$made.small"
        mv "$made.small" "$made"
    fi
done
cp js/*.js js/index.d.ts package.json README.md ../LICENSE-MIT ../LICENSE-APACHE pkg/
rm -f pkg/wasm/package.json pkg/wasm/.gitignore
cp -r pkg demo/pkg
cp ../data/temple.jpg demo/
[ "$profile" = quick ] || node sizes.mjs
