//! The tour: what `hadamard` does when it is given no command.
//!
//! Four pieces of work on real data, each on the GPU and on the CPU, each checked against a plain loop in f64.

mod report;

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Instant;

use hadamard::{DEVICE_VARIABLE, DType, Device, DeviceKind, Error, Expr, Result, Tensor, assign};

use crate::args::TourArgs;
use crate::picture::{Gallery, Photograph};
use report::{EPSILON, Measured, Report, measure};

/// One layer of a transformer, Apache-2.0; see `data/README.md`.
const WEIGHTS: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/data/minilm-layer0.safetensors"));
const WEIGHTS_NAME: &str = "encoder.layer.0.intermediate.dense.weight";

/// What scaling does to red, green and blue: an evening light.
const LIGHT: [f32; 3] = [1.15, 0.9, 0.65];

/// The share of red, green and blue in grey (ITU-R BT.601): what the fit must find.
const GREY: [f32; 3] = [0.299, 0.587, 0.114];
const FIT_STEPS: u32 = 200;
const FIT_MOMENTUM: f64 = 0.9;

/// How far a fitted weight may be from the true one. At the true weights, rounding moves each residual by at most 8
/// units of 2⁻²⁴ of the pixel's brightness, hence each part of the gradient by 2 · 8 · 2⁻²⁴ · mean(grey · channel),
/// 4.1e-7. What that does to a weight is at most its length, √3 times as much, over the smallest curvature of the
/// loss, 0.0030 for this photograph: 2.4e-4. What the steps leave undone is 3e-6.
const FIT_BOUND: f64 = 3e-4;

/// A device and what the tables call it.
struct Side {
    name: &'static str,
    device: Device,
}

/// Shows the tour. Exit code 1 if any answer is wrong.
#[allow(clippy::needless_pass_by_value, reason = "every command takes its arguments alike")]
pub(crate) fn run(args: TourArgs) -> Result<ExitCode> {
    crate::print(&format!("hadamard {}: one expression, one pass over memory\n\n", env!("CARGO_PKG_VERSION")))?;
    let sides = sides(args.device.as_deref())?;
    crate::print(INTRODUCTION)?;

    let photograph = Photograph::load()?;
    let mut gallery = Gallery::new(&args.out, photograph.width, photograph.height);
    let weights = load_weights()?;

    let mut wrong = scale(&sides, &photograph, &mut gallery)?;
    let (pruned, wrong_weights) = prune(&sides, &weights)?;
    wrong += wrong_weights;
    wrong += column_norms(&sides, &pruned, &weights)?;
    wrong += fit(&sides, &photograph, &mut gallery)?;

    let mut text = "Pictures:\n".to_owned();
    for path in gallery.written() {
        let _ = writeln!(text, "  {}", path.display());
    }
    text += CREDITS;
    if wrong > 0 {
        let _ = writeln!(text, "\n{wrong} of the answers above are WRONG.");
    }
    crate::print(&text)?;
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

const INTRODUCTION: &str = "
Four pieces of work on real data, each on every device above, each checked
against a plain loop in f64. Times are medians, the first run left out. Data
counts each input once and each result once, however much was moved.

";

const CREDITS: &str = "
Photograph by danielbuechele (CC BY 2.0), weights of all-MiniLM-L6-v2 (Apache-2.0).
More: hadamard devices, check, bench, eval, explain; --help says what they do.
";

/// The devices the tour runs on, which it names: the GPU if there is a driver for one, and the CPU.
fn sides(named: Option<&str>) -> Result<Vec<Side>> {
    let choice = named.map(str::to_owned).or_else(|| std::env::var(DEVICE_VARIABLE).ok().filter(|v| !v.is_empty()));
    let gpu = match choice {
        Some(name) => match Device::named(&name)? {
            device if device.is_gpu() => Ok(device),
            _ => Err("not used: the CPU was asked for".to_owned()),
        },
        // A software adapter is no match for the CPU path, so `Device::best` passes it by; here it shows the way.
        None => match Device::gpu() {
            Ok(device) => Ok(device),
            Err(Error::NoDevice { .. }) => Err("no driver for any was found, so the CPU runs alone".to_owned()),
            Err(error) => Err(format!("cannot be used, so the CPU runs alone: {error}")),
        },
    };
    let mut text = String::new();
    let mut sides = Vec::new();
    match gpu {
        Ok(device) => {
            let info = device.info();
            let _ = writeln!(text, "GPU  {} ({}, {})", info.name, info.backend, info.kind);
            if info.kind == DeviceKind::Software {
                text += "     This driver computes on the CPU: it shows answers, not the speed of a GPU.\n";
            }
            sides.push(Side { name: "GPU", device });
        }
        Err(reason) => {
            let _ = writeln!(text, "GPU  {reason}");
        }
    }
    let device = Device::cpu();
    let threads = device.info().threads;
    let _ = writeln!(text, "CPU  {threads} thread{}", if threads == 1 { "" } else { "s" });
    sides.push(Side { name: "CPU", device });
    crate::print(&text)?;
    Ok(sides)
}

fn scale(sides: &[Side], photograph: &Photograph, gallery: &mut Gallery) -> Result<usize> {
    let shape = [3, photograph.height, photograph.width];
    let planes = &photograph.planes;
    let numel = planes.len() / 3;
    let mut report = Report::new(
        "1. Scale a photograph's channels: a broadcast product",
        &format!("photo f32{shape:?}, light f32[3, 1, 1]"),
        "(&photo * &light).eval()",
        (2 * planes.len() + 3) as u64 * 4,
    );
    let want: Vec<f64> = (0..planes.len()).map(|i| f64::from(planes[i]) * f64::from(LIGHT[i / numel])).collect();
    let mut shown = None;
    for side in sides {
        let photo = Tensor::from_slice(planes, shape, &side.device)?;
        let light = Tensor::from_slice(&LIGHT, [3, 1, 1], &side.device)?;
        let scaled = &photo * &light;
        let measured = measure(&side.device, || scaled.eval().map(drop))?;
        let got: Vec<f32> = scaled.eval()?.to_vec()?;
        report.side(side, &measured, &got, &want, |want| want.abs() * EPSILON);
        shown.get_or_insert(got);
    }
    gallery.write("original", planes)?;
    gallery.write("scaled", &shown.unwrap_or_default())?;
    report.finish("one rounding: ε · |value|")
}

/// Prunes, and hands back each side's pruned weights.
fn prune(sides: &[Side], weights: &Weights) -> Result<(Vec<Tensor>, usize)> {
    let mut magnitudes: Vec<f32> = weights.values.iter().map(|w| w.abs()).collect();
    let middle = magnitudes.len() / 2;
    let threshold = *magnitudes.select_nth_unstable_by(middle, f32::total_cmp).1;
    let want: Vec<f64> = weights.values.iter().map(|&w| if w.abs() >= threshold { w.into() } else { 0.0 }).collect();
    let mut report = Report::new(
        "2. Prune the smaller half of a transformer's weights, in place",
        &format!("w f32{:?}, threshold {threshold:.5} (the median magnitude)", weights.shape),
        "w.assign(&w * w.abs().ge(threshold))",
        2 * want.len() as u64 * 4,
    );
    let mut pruned = Vec::new();
    let mut zeros = 0;
    for side in sides {
        let w = Tensor::from_slice(&weights.values, weights.shape, &side.device)?;
        let masked = &w * w.abs().ge(threshold);
        // Pruning what is pruned changes nothing, so it can be run and timed again.
        let measured = measure(&side.device, || w.assign(&masked))?;
        let got: Vec<f32> = w.to_vec()?;
        report.side(side, &measured, &got, &want, |_| 0.0);
        zeros = got.iter().filter(|&&w| w == 0.0).count();
        pruned.push(w);
    }
    let wrong = report.finish(&format!("nothing, it is exact; {zeros} of {} weights are now 0", want.len()))?;
    Ok((pruned, wrong))
}

fn column_norms(sides: &[Side], pruned: &[Tensor], weights: &Weights) -> Result<usize> {
    let [rows, cols] = weights.shape;
    let mut report = Report::new(
        "3. Each column's squared norm: a fused multiply-reduce, the product never stored",
        &format!("w f32{:?}, as pruned", weights.shape),
        "(&w * &w).sum(0).eval()",
        (rows * cols + cols) as u64 * 4,
    );
    // The CPU's side is always there, and its pruned weights were compared with the plain loop's.
    let values: Vec<f32> = pruned[pruned.len() - 1].to_vec()?;
    let square = |i: usize| f64::from(values[i]) * f64::from(values[i]);
    let want: Vec<f64> = (0..cols).map(|c| (0..rows).map(|r| square(r * cols + c)).sum()).collect();
    for (side, w) in sides.iter().zip(pruned) {
        let norms = (w * w).sum(0);
        let measured = measure(&side.device, || norms.eval().map(drop))?;
        let got: Vec<f32> = norms.eval()?.to_vec()?;
        report.side(side, &measured, &got, &want, |want| rows as f64 * EPSILON * want);
    }
    report.finish(&format!("{rows} additions: n · ε · Σ w²"))
}

/// Fits the weights of red, green and blue that turn the photograph into its grey version.
fn fit(sides: &[Side], photograph: &Photograph, gallery: &mut Gallery) -> Result<usize> {
    let [height, width] = [photograph.height, photograph.width];
    let target = photograph.grey(GREY);
    let mut report = Report::new(
        &format!("4. Learn how grey is made: {FIT_STEPS} steps of gradient descent with momentum"),
        &format!("a f32{:?}, grey f32{:?}; figures are for one step", [3, height, width], [height, width]),
        "r = (&w * &a).sum(0) - &grey;   g = 2.0 * (r * &a).mean([1, 2])\n   \
         assign(&[(&m, β * &m + g), (&w, &w - lr * (β * &m + g))])",
        4 * target.len() as u64 * 4,
    );
    let want: Vec<f64> = GREY.iter().map(|&w| w.into()).collect();
    let mut lines = Vec::new();
    let mut shown = None;
    for side in sides {
        let device = &side.device;
        let a = Tensor::from_slice(&photograph.planes, [3, height, width], device)?;
        let grey = Tensor::from_slice(&target, [height, width], device)?;
        let w = Tensor::full([3, 1, 1], 1.0_f32 / 3.0, device)?;
        let m = Tensor::zeros([3, 1, 1], DType::F32, device)?;

        let mixed = (&w * &a).sum(0);
        let residual = &mixed - &grey;
        let loss = residual.square().mean(..);
        let gradient = 2.0 * (&residual * &a).mean([1, 2]).keepdim();
        // The loss bends by 2 · mean(a aᵀ), whose largest eigenvalue is below its trace, 6 · mean(a²). With momentum
        // a step of 3 over that still converges.
        let curvature = 6.0 * f64::from(a.square().mean(..).eval()?.item::<f32>()?);
        let momentum: Expr = FIT_MOMENTUM * &m + gradient;
        let step = [(&m, momentum.clone()), (&w, &w - 3.0 / curvature * momentum)];

        let before: f32 = loss.eval()?.item()?;
        assign(&step)?;
        device.synchronize()?;
        let counted = device.counters().kernels;
        let start = Instant::now();
        for _ in 1..FIT_STEPS {
            assign(&step)?;
        }
        device.synchronize()?;
        let time = start.elapsed() / (FIT_STEPS - 1);
        let kernels = (device.counters().kernels - counted) / u64::from(FIT_STEPS - 1);
        let got: Vec<f32> = w.to_vec()?;
        let after: f32 = loss.eval()?.item()?;
        report.side(side, &Measured { time, kernels }, &got, &want, |_| FIT_BOUND);
        lines.push(format!(
            "{}: loss {before:.2e} → {after:.2e}, weights {:.5} {:.5} {:.5}",
            side.name, got[0], got[1], got[2]
        ));
        if shown.is_none() {
            shown = Some(mixed.eval()?.to_vec::<f32>()?);
        }
    }
    gallery.write("grey", &target)?;
    gallery.write("grey-fitted", &shown.unwrap_or_default())?;
    lines.push(format!("true weights {:.5} {:.5} {:.5}", GREY[0], GREY[1], GREY[2]));
    for line in lines {
        report.note(line);
    }
    report.finish("rounding of the residual over the loss's curvature")
}

struct Weights {
    shape: [usize; 2],
    values: Vec<f32>,
}

fn load_weights() -> Result<Weights> {
    let fail = |message: String| Error::File { path: "data/minilm-layer0.safetensors".to_owned(), message };
    let file = safetensors::SafeTensors::deserialize(WEIGHTS).map_err(|e| fail(e.to_string()))?;
    let tensor = file.tensor(WEIGHTS_NAME).map_err(|e| fail(e.to_string()))?;
    match (tensor.dtype(), tensor.shape()) {
        (safetensors::Dtype::F32, &[rows, cols]) => {
            Ok(Weights { shape: [rows, cols], values: bytemuck::pod_collect_to_vec(tensor.data()) })
        }
        (dtype, shape) => Err(fail(format!("{WEIGHTS_NAME} is {dtype:?} {shape:?}, not F32 with two dims"))),
    }
}
