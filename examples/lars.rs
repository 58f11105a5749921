//! An optimizer of one's own: LARS, whose step is as long for each layer as its weights are.
//! You, Gitman and Ginsburg, "Large Batch Training of Convolutional Networks", 2017.
//!
//! `cargo run --release --example lars`

use hadamard::optim::{Optimizer, Rule};
use hadamard::{DType, Device, Expr, Params, Result, Tensor, init};

/// `m = momentum m + lr trust |w| / (|g| + decay |w|) (g + decay w); w = w - m`, with the norms of one layer.
#[derive(Clone)]
struct Lars {
    trust: f64,
    momentum: f64,
    decay: f64,
}

impl Rule for Lars {
    const NAME: &'static str = "LARS";
    const LR: f64 = 1.0;

    fn state(&self, _lr: f64) -> Vec<(&'static str, f64)> {
        vec![("momentum", 0.0)]
    }

    fn numbers(&self, lr: f64, _step: u64, _memory: &mut [f64]) -> Vec<f64> {
        vec![lr]
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        let (length, slope) = (w.norm(2, ..), g.norm(2, ..));
        let local = self.trust * &length / (slope + self.decay * &length + 1e-9);
        let m = self.momentum * &state[0] + &numbers[0] * local * (g + self.decay * w);
        (w - &m, vec![m])
    }
}

/// Trains two layers whose gradients differ a thousandfold, and returns how far each has moved, relative to its length.
fn train(device: &Device, packed: bool) -> Result<[f32; 2]> {
    let layers = [Tensor::zeros([16, 8], DType::F32, device)?, Tensor::zeros([4, 16], DType::F32, device)?];
    for (seed, layer) in (1_u64..).zip(&layers) {
        init::normal(layer, 0.0, 0.5, seed)?;
    }
    let params = Params::pack(&[("first", &layers[0]), ("second", &layers[1])])?;
    let trained = if packed { [params.get("first")?.clone(), params.get("second")?.clone()] } else { layers };
    let before = [trained[0].to_vec::<f32>()?, trained[1].to_vec::<f32>()?];
    let loss = (1000.0 * trained[0].square().sum(..) + trained[1].square().sum(..)).sqrt();
    let rule = Lars { trust: 0.01, momentum: 0.9, decay: 1e-4 };
    let mut lars = if packed { Optimizer::with(rule, &params) } else { Optimizer::with(rule, &trained) };
    lars.minimize(&loss)?;
    let mut moved = [0.0; 2];
    for ((moved, layer), before) in moved.iter_mut().zip(&trained).zip(before) {
        let old = Tensor::from_slice(&before, layer.shape().clone(), device)?;
        *moved = ((layer - &old).norm(2, ..) / old.norm(2, ..)).item()?;
    }
    Ok(moved)
}

fn main() -> Result<()> {
    let device = Device::best()?;
    println!("on {device}");
    let (packed, apart) = (train(&device, true)?, train(&device, false)?);
    println!("each layer moved by this part of its length: {packed:?}");
    // One hundredth each, however large the gradients are; and packed or not, to the bit.
    assert!(packed.iter().all(|moved| (moved - 0.01).abs() < 1e-5));
    assert_eq!(packed, apart);
    Ok(())
}
