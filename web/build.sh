#!/bin/sh
# web/build.sh: makes the package in web/pkg, and the demo whole. Needs cargo and npm.
#
# `rustup target add wasm32-unknown-unknown` gives the compiler for it; where there is none, on Debian, toolchain.sh makes
# one. What is made once is kept in HADAMARD_WEB_TOOLS, else in web/target/tools. HADAMARD_WEB_PROFILE=quick builds sooner, a
# larger module.
set -eu
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-$PWD/target}
tools=${HADAMARD_WEB_TOOLS:-$target/tools}
profile=${HADAMARD_WEB_PROFILE:-release}

if ! [ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null)" ]; then
    sh toolchain.sh "$tools/toolchain"
    toolchain=$tools/toolchain/env.sh
fi
(
    # shellcheck disable=SC1090 # written by toolchain.sh
    [ -z "${toolchain-}" ] || . "$toolchain"
    CARGO_TARGET_DIR=$target cargo build -q --locked --profile "$profile" --target wasm32-unknown-unknown
)

bindgen=$target/bindgen/debug/bindgen
version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/.*"\(.*\)"/\1/p;}' Cargo.lock)
module=$target/wasm32-unknown-unknown/$profile/hadamard_web.wasm
rm -rf pkg
mkdir -p pkg
if [ "$(wasm-bindgen --version 2>/dev/null)" = "wasm-bindgen $version" ]; then
    wasm-bindgen --target web --remove-name-section --out-dir pkg/wasm "$module"
else
    CARGO_TARGET_DIR=$target/bindgen cargo build -q --locked --manifest-path bindgen/Cargo.toml
    "$bindgen" "$module" pkg/wasm
fi

[ -d node_modules ] || npm install --silent --no-save --no-package-lock playwright-core@1.65.1 binaryen@132 typescript@5
if [ "$profile" != quick ]; then
    made=pkg/wasm/hadamard_web_bg.wasm
    # What browsers with WebGPU have; everything that binaryen knows would be more than they take.
    node node_modules/binaryen/bin/wasm-opt -Oz --mvp-features --enable-simd --enable-bulk-memory \
        --enable-bulk-memory-opt --enable-nontrapping-float-to-int --enable-sign-ext --enable-mutable-globals \
        --enable-reference-types --enable-multivalue --enable-call-indirect-overlong "$made" -o "$made.small"
    mv "$made.small" "$made"
fi
cp js/index.js js/index.d.ts package.json README.md ../LICENSE-MIT ../LICENSE-APACHE pkg/
rm -rf demo/pkg pkg/wasm/package.json pkg/wasm/.gitignore
cp -r pkg demo/pkg
cp ../data/temple.jpg demo/
bytes=$(wc -c <pkg/wasm/hadamard_web_bg.wasm)
packed=$(gzip -9c pkg/wasm/hadamard_web_bg.wasm | wc -c)
echo "hadamard_web_bg.wasm: $bytes bytes, $packed compressed"
