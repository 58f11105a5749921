//! candle on the CPU. It has no wgpu backend and no einsum.

use std::hint::black_box;

use candle_core::{D, Device, Result, Tensor};

use crate::timing::{median, numbers};

pub(crate) fn run(case: &str, n: usize) -> Option<f64> {
    measure(case, n).expect("candle computes on the CPU")
}

fn measure(case: &str, n: usize) -> Result<Option<f64>> {
    let random = |seed, shape: (usize, usize)| Tensor::from_vec(numbers(seed, shape.0 * shape.1), shape, &Device::Cpu);
    let (a, b, w) = (random(1, (n, n))?, random(2, (n, n))?, random(3, (n, n))?);
    let (row, column) = (random(4, (1, n))?, random(5, (n, 1))?);
    let time = |f: &dyn Fn() -> Result<Tensor>| {
        median(|| drop(black_box(f().expect("candle computes what it computed before"))))
    };
    Ok(Some(match case {
        "copy" => time(&|| a.copy()),
        "a*b" => time(&|| &a * &b),
        "a*row" => time(&|| a.broadcast_mul(&row)),
        "a*column" => time(&|| a.broadcast_mul(&column)),
        "a*0.7" => time(&|| &a * 0.7),
        "w*a+(1-w)*b" => time(&|| (&w * &a)? + (w.affine(-1.0, 1.0)? * &b)?),
        "(a*b).sum(0)" => time(&|| (&a * &b)?.sum(0)),
        "(a*b).sum(1)" => time(&|| (&a * &b)?.sum(D::Minus1)),
        "(a*b).sum()" => time(&|| (&a * &b)?.sum_all()),
        // The update as candle-nn's AdamW writes it, without its decay.
        "adam" => {
            let state = std::cell::RefCell::new((w.clone(), a.zeros_like()?, a.zeros_like()?));
            time(&|| {
                let (w, m, v) = state.borrow().clone();
                let m = ((m * 0.9)? + (&b * 0.1)?)?;
                let v = ((v * 0.999)? + (b.sqr()? * 0.001)?)?;
                let w = (w - ((&m * 0.01)? / ((v.sqrt()? * 1.2)? + 1e-8)?)?)?;
                *state.borrow_mut() = (w.clone(), m, v);
                Ok(w)
            })
        }
        _ => return Ok(None),
    }))
}
