//! Every form that one expression takes on its way from text to numbers. Read along in ARCHITECTURE.md.
//!
//! `cargo run --release --example inside`, or with another expression over `a` [2, 3] and `b` [3]:
//! `cargo run --release --example inside -- "sum(a * b, dim=1)"`

use hadamard::{Device, Expr, Result, Tensor};

fn main() -> Result<()> {
    let device = Device::best()?;
    let a = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3], &device)?;
    let b = Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3], &device)?;

    heading("1. Text", "src/expr/parse makes the same nodes of it that operators in Rust make");
    let text = std::env::args().nth(1).unwrap_or_else(|| "sqrt(a * a * b + 1)".to_owned());
    println!("{text}");

    heading("2. Expr", "src/expr/node.rs: nodes that know shape and dtype; nothing has been computed");
    let expr = Expr::parse(&text, &[("a", &a), ("b", &b)])?;
    println!("{expr:?}");

    heading("3. Graph", "src/expr/graph: every view pushed down to the element it reads; what a backend receives");
    let explanation = expr.explain()?;
    print!("{}", explanation.graph);

    heading("4. Plan", "the kernels that run, each one pass over memory, and the bytes they must move");
    println!("for {}", explanation.device);
    for (i, pass) in explanation.passes.iter().enumerate() {
        let ((workgroups, invocations), (reads, writes)) = (pass.workgroups, pass.buffers);
        println!("pass {}: {}, {workgroups} x {invocations} invocations", i + 1, pass.kernel);
        println!("        buffers read: {reads}, written: {writes}; bytes: {}", pass.bytes);
    }
    for pass in &explanation.passes {
        heading("5. WGSL, written for this expression", "the bindings, and the fused arithmetic as a function");
        print!("{}", pass.prelude);

        let file = format!("shaders/{}.wgsl, joined to the above unchanged: it calls those functions", pass.kernel);
        heading("6. WGSL, from a file", &file);
        print!("{}", pass.wgsl.rfind("@compute").map_or(&*pass.wgsl, |entry| &pass.wgsl[entry..]));
    }

    heading("7. Result", "read back to the host; on the CPU, loops of src/cpu have run in place of steps 4 to 6");
    let result = expr.eval()?;
    println!("{result}");
    if std::env::args().len() == 1 {
        let want = [2.0, 9.0, 28.0, 17.0, 51.0, 109.0].map(f32::sqrt);
        let close = |(x, want): (f32, f32)| (x - want).abs() <= 1e-6 * want;
        assert!(result.to_vec::<f32>()?.into_iter().zip(want).all(close));
    }
    Ok(())
}

/// A form's name, and where it comes from.
fn heading(name: &str, from: &str) {
    println!("\n== {name}\n-- {from}\n");
}
