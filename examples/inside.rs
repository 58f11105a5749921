//! Every form that one expression takes on its way from text to numbers. Read along in ARCHITECTURE.md.
//!
//! `cargo run --release --example inside`

use hadamard::{Device, Expr, Result, Tensor};

fn main() -> Result<()> {
    let device = Device::best()?;
    let a = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3], &device)?;
    let b = Tensor::from_slice(&[1.0_f32, 10.0, 100.0], [3], &device)?;

    heading("1. Text", "src/expr/parse: the same nodes that operators in Rust build");
    let text = "sqrt(sum(a * b, dim=1))";
    println!("{text}");

    heading("2. Expr", "src/expr/node.rs: shared nodes, each with its shape and dtype; nothing has been computed");
    let expr = Expr::parse(text, &[("a", &a), ("b", &b)])?;
    println!("{expr:?}");
    let by_operators = (&a * &b).sum(1).sqrt();
    assert_eq!(format!("{by_operators:?}"), format!("{expr:?}"));

    heading(
        "3. Graph",
        "src/expr/graph: flat, every view pushed down to the element it reads; what a backend receives",
    );
    let explanation = expr.explain()?;
    print!("{}", explanation.graph);

    heading("4. Plan", "which kernels of shaders/ run, over what; no operation is a pass of its own");
    println!("for {}", explanation.device);
    for (i, pass) in explanation.passes.iter().enumerate() {
        let (workgroups, invocations) = pass.workgroups;
        println!("pass {}: {}, {workgroups} workgroup(s) of {invocations}", i + 1, pass.kernel);
        println!("    reads {} buffers, writes {}, moves {} bytes", pass.buffers.0, pass.buffers.1, pass.bytes);
    }
    assert_eq!(explanation.passes.len(), 1);

    let pass = &explanation.passes[0];
    heading("5. WGSL, written for this expression", "the bindings, and the fused arithmetic as functions");
    print!("{}", pass.prelude);

    heading("6. WGSL, from a file", "the kernel, which calls those functions; joined to the above, unchanged");
    let kernel = pass.wgsl.strip_prefix(&pass.prelude).unwrap_or(&pass.wgsl);
    let main = kernel.rfind("@compute").map_or(kernel, |start| &kernel[start..]);
    print!("{main}");

    heading("7. Result", "read back to the host; on the CPU, loops of src/cpu have run in place of steps 4 to 6");
    let norms = expr.eval()?.to_vec::<f32>()?;
    println!("{norms:?} on {device}");
    assert_eq!(norms, [321.0_f32.sqrt(), 654.0_f32.sqrt()]);
    Ok(())
}

/// A form's name, and where it comes from.
fn heading(name: &str, from: &str) {
    println!("\n== {name}\n-- {from}\n");
}
