//! Finds how much red, green and blue a grey picture is made of, by Adam, and plots how it came to know.
//!
//! `cargo run --release --features cli --example grey -- grey.png`

mod plot;

use std::path::PathBuf;

use hadamard::optim::{Adam, schedule};
use hadamard::{DType, Device, Tensor};
use plot::{BLUE, Curve, GREEN, GREY, Panel, RED};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

/// By danielbuechele, CC BY 2.0; see `data/README.md`.
const PHOTOGRAPH: &[u8] = include_bytes!("../../data/temple.jpg");

/// The share of red, green and blue in grey (ITU-R BT.601): what is to be found.
const SHARES: [f32; 3] = [0.299, 0.587, 0.114];
const STEPS: usize = 500;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).map_or_else(|| std::env::temp_dir().join("hadamard-grey.png"), PathBuf::from);
    let device = Device::best()?;
    let mut decoder = JpegDecoder::new(ZCursor::new(PHOTOGRAPH));
    let pixels = decoder.decode()?;
    let (width, height) = decoder.dimensions().ok_or("a photograph without a size")?;
    let shape = [height, width, 3];
    println!("on {device}, a photograph of {shape:?}");

    // From bytes to f32 on the device, and from [height, width, 3] to [3, height, width].
    let bytes = Tensor::from_slice(&pixels, shape, &device)?;
    let photo = (&bytes / 255).permute(&[2, 0, 1]).eval()?;
    let shares = Tensor::from_slice(&SHARES, [3, 1, 1], &device)?;
    let grey = (&photo * &shares).sum(0).eval()?;

    let w = Tensor::zeros([3, 1, 1], DType::F32, &device)?;
    let loss = ((&photo * &w).sum(0) - &grey).square().mean(..);
    // The channels are much alike, so the loss is a long valley; a shorter memory of squares goes along it.
    let mut adam = Adam::new(&[&w]).lr(0.05).betas((0.9, 0.95)).schedule(schedule::cosine(STEPS as u64, 0.0));
    let (mut losses, mut weights) = (Vec::new(), [const { Vec::new() }; 3]);
    for step in 0..=STEPS {
        losses.push(f64::from(loss.eval()?.item::<f32>()?));
        for (history, now) in weights.iter_mut().zip(w.to_vec::<f32>()?) {
            history.push(f64::from(now));
        }
        if step < STEPS {
            adam.minimize(&loss)?;
        }
    }
    let found = w.to_vec::<f32>()?;
    println!("found {found:.5?}, sought {SHARES:?}; loss {:.1e}", losses[STEPS]);
    // Rounding of the residuals moves a weight by at most 2.4e-4; the tour of `hadamard` derives it.
    assert!(found.iter().zip(SHARES).all(|(found, sought)| (found - sought).abs() < 3e-4));

    let [red, green, blue] = weights;
    let of_loss = Panel {
        title: "loss",
        logarithmic: true,
        curves: vec![Curve { name: "mean square", colour: GREY, values: losses }],
        marks: vec![],
    };
    let of_weights = Panel {
        title: "weights",
        logarithmic: false,
        curves: vec![
            Curve { name: "red", colour: RED, values: red },
            Curve { name: "green", colour: GREEN, values: green },
            Curve { name: "blue", colour: BLUE, values: blue },
        ],
        marks: SHARES.map(f64::from).to_vec(),
    };
    plot::draw(&[of_loss, of_weights], "step").save(&path)?;
    println!("plotted in {}", path.display());
    Ok(())
}
