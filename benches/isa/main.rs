//! What Mesa's compiler for AMD's GPUs makes of kernels, without a GPU: registers, occupancy, instructions, and how wide loads
//! and stores are, as tables in Markdown. It says nothing of memory.
//!
//! `cargo bench --bench isa -- [code] [WORD ...]`: kernels whose text has one of the words, all without; with `code` their
//! machine code, too.
#![cfg_attr(not(target_os = "linux"), allow(unused))]

#[cfg(target_os = "linux")]
mod compiler;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "tests/amd.rs uses the rest")]
mod kernels;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "tests/amd.rs uses the rest")]
mod listing;

#[cfg(target_os = "linux")]
fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if compiler::is_of_one_family() {
        return table(&words);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    compiler::each_family(&words, |family, output| {
        assert!(output.status.success(), "{family}:\n{}", String::from_utf8_lossy(&output.stderr));
        println!("{}", String::from_utf8_lossy(&output.stdout));
    });
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("Mesa's driver for AMD's GPUs is on Linux alone");
}

/// Compiles the kernels for the family that the driver was told.
#[cfg(target_os = "linux")]
fn table(words: &[String]) {
    let shows_code = words.iter().any(|word| word == "code");
    let words: Vec<&String> = words.iter().filter(|word| *word != "code").collect();
    let compiler = compiler::Compiler::open();
    println!("## {}\n\n{}\n", compiler.name, compiler.driver);
    println!(
        "| kernel | | VGPRs | SGPRs | spilled | subgroups | LDS | instructions | an element | code | cycles | ms | loads | stores | bytes an element |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- | ---: |");
    // The first compilation takes what a driver does once.
    let kernels = kernels::kernels();
    compiler.time(&compiler.shader(&kernels[0].pass.wgsl));
    for kernel in kernels {
        let name = kernel.name();
        if !words.is_empty() && !words.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let shader = compiler.shader(&kernel.pass.wgsl);
        let ms = compiler.time(&shader).as_secs_f64() * 1e3;
        let made = compiler.compile(&shader);
        let (whole, hot) = listing::parts(&made.machine_code);
        let of = |name| made.statistic(name);
        let an_element = kernel.at_once().map(|n| format!("{:.1}", hot.instructions as f64 / n as f64));
        println!(
            "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {ms:.1} | {} | {} | {:.2} |",
            name.replace('|', "\\|"),
            kernel.pass.kernel,
            of("VGPRs"),
            of("SGPRs"),
            of("Spilled VGPRs") + of("Spilled SGPRs"),
            of("Subgroups per SIMD"),
            of("LDS size"),
            of("Instructions"),
            an_element.unwrap_or_default(),
            of("Code size"),
            of("Inverse Throughput"),
            hot.loads,
            whole.stores,
            kernel.bytes_an_element(),
        );
        if shows_code {
            println!("\n```wgsl\n{}\n```\n\n```\n{}\n```\n", kernel.pass.wgsl, made.machine_code);
        }
    }
}
