//! `bindgen MODULE.wasm FOLDER NAME`: what `wasm-bindgen --target web` does.

use wasm_bindgen_cli_support::Bindgen;

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(module), Some(folder), Some(name)) = (args.next(), args.next(), args.next()) else {
        eprintln!("bindgen: expected a wasm module, a folder and a name");
        std::process::exit(2);
    };
    let mut bindgen = Bindgen::new();
    let made = bindgen.input_path(module).out_name(&name).web(true).and_then(|bindgen| {
        bindgen.omit_default_module_path(false).typescript(true).remove_name_section(true).generate(folder)
    });
    if let Err(error) = made {
        eprintln!("bindgen: {error:#}");
        std::process::exit(1);
    }
}
