//! hadamard for JavaScript: the module below the package.
//!
//! This crate is glue: tensors, functions and optimizers are kept in tables here (`table`), and the page knows their
//! numbers. What a page's author sees is written in JavaScript (`js/index.js`) on top of it. The features `gpu` and `cpu`
//! make the two modules, which do not know of each other.

mod device;
mod errors;
mod function;
mod optim;
mod table;
mod tensor;

use wasm_bindgen::prelude::*;

/// Says in the console why a module that has panicked no longer answers. Nothing here should.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|info| {
        let console = js_sys::Reflect::get(&js_sys::global(), &"console".into());
        let error = console.and_then(|console| Ok((js_sys::Reflect::get(&console, &"error".into())?, console)));
        if let Ok((error, console)) = error {
            let _ = js_sys::Function::from(error).call1(&console, &info.to_string().into());
        }
    }));
}
