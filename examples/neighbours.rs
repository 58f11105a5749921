//! The nearest five of 100,000 embeddings of 384 numbers: their products with a query, and the places of the largest.
//!
//! `cargo run --release --example neighbours`

use hadamard::{DType, Device, Result, Tensor};

const EMBEDDINGS: usize = 100_000;
const SIZE: usize = 384;

fn main() -> Result<()> {
    let device = Device::best()?;
    println!("on {device}");
    let embeddings = Tensor::normal([EMBEDDINGS, SIZE], 0.0, 1.0, DType::F32, 1, &device)?;
    // A query that lies near one of them.
    let near = 31_415;
    let noise = Tensor::normal([SIZE], 0.0, 0.5, DType::F32, 2, &device)?;
    let query = (embeddings.narrow(0, near, 1)?.reshape([SIZE])? + &noise).eval()?;

    // By the cosine of the angle between them: products over norms, in one pass over the table.
    let scores = embeddings.matmul(&query) / (embeddings.norm(2.0, 1) * query.norm(2.0, 0));
    let (values, places) = scores.topk(5, 0, true);
    let (values, places) = (values.to_vec::<f32>()?, places.to_vec::<i64>()?);
    for (value, place) in values.iter().zip(&places) {
        println!("embedding {place:>6}: {value:.4}");
    }
    assert!(places[0] == near as i64 && values[0] > 0.8 && values.is_sorted_by(|a, b| a >= b));
    Ok(())
}
