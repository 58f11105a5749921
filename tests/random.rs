//! Random numbers: known answers, the same bits everywhere, and the distributions they claim.

mod devices;

use hadamard::init::{self, Fan, Nonlinearity};
use hadamard::{DType, Device, Expr, ScalarCell, Tensor, eval_all, random, reference};
use half::{bf16, f16};

const SEEDS: [u64; 4] = [0, 1, 0x299f_31d0_a409_3822, u64::MAX];

/// On a device: an expression without tensors would be evaluated on the CPU.
fn on(device: &Device, expr: &Expr) -> Tensor {
    let tensor = Tensor::zeros(expr.shape().clone(), expr.dtype(), device).unwrap();
    tensor.assign(expr).unwrap();
    tensor
}

#[test]
fn the_first_word_is_the_published_one() {
    // Counter 0 and key 0 of Random123's kat_vectors: 6627e8d5, of which f32 has the upper 24 bits.
    for device in devices::devices() {
        let x = on(&device, &random::uniform([1], DType::F32, 0)).item::<f32>().unwrap();
        assert_eq!(x, 0x0066_27e8 as f32 / 16_777_216.0, "{device}");
    }
}

#[test]
fn the_bits_are_the_same_on_every_device() {
    for device in devices::devices() {
        for (i, seed) in SEEDS.into_iter().enumerate() {
            for shape in [vec![1], vec![7], vec![1024], vec![129, 67], vec![5, 1, 3, 11]] {
                for dtype in [DType::F32, DType::F16, DType::BF16, DType::F64] {
                    if dtype == DType::F64 && !device.info().f64 {
                        continue;
                    }
                    let expr = random::uniform(&shape[..], dtype, seed);
                    let want = reference::eval(&expr).unwrap();
                    let got = on(&device, &expr);
                    // The reference computes Philox for itself; uniform numbers have no rounding in them.
                    let exact: Vec<f64> = match dtype {
                        DType::F32 => got.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect(),
                        DType::F64 => got.to_vec().unwrap(),
                        DType::F16 => got.to_vec::<f16>().unwrap().into_iter().map(f64::from).collect(),
                        _ => got.to_vec::<bf16>().unwrap().into_iter().map(f64::from).collect(),
                    };
                    assert_eq!(exact, want.values, "{device}: {dtype}{shape:?}, seed {seed}");
                    assert!(exact.iter().all(|x| (0.0..1.0).contains(x)), "{device}");
                }
            }
            // Between -a and a there is one rounding, which is the same everywhere.
            let x = Tensor::uniform([501], -0.3..0.3, DType::F32, seed, &device).unwrap();
            let cpu = Tensor::uniform([501], -0.3..0.3, DType::F32, seed, &Device::cpu()).unwrap();
            assert_eq!(x.to_vec::<f32>().unwrap(), cpu.to_vec::<f32>().unwrap(), "{device}: {i}");
            // Normal numbers are within the bounds of their functions.
            let expr = random::normal([3, 333], DType::F32, seed);
            let comparison = reference::compare(&on(&device, &expr), &reference::eval(&expr).unwrap()).unwrap();
            assert!(comparison.passed(), "{device}: {comparison}");
        }
    }
}

#[test]
fn a_number_belongs_to_its_element_however_it_is_come_by() {
    for device in devices::devices() {
        let x = random::uniform([6, 35], DType::F32, 3);
        let all = on(&device, &x).to_vec::<f32>().unwrap();
        let read = |expr: &Expr| on(&device, expr).to_vec::<f32>().unwrap();
        assert_eq!(read(&random::uniform([210], DType::F32, 3)), all, "{device}");
        assert_eq!(read(&x.reshape([5, 42])), all, "{device}");
        assert_eq!(read(&x.narrow(0, 4, 1)), all[140..175], "{device}");
        assert_eq!(read(&x.permute(&[1, 0]).permute(&[1, 0])), all, "{device}");
        let turned = read(&x.transpose(0, 1));
        assert!((0..210).all(|i| turned[i % 35 * 6 + i / 35] == all[i]), "{device}");
        // In a reduction, beside tensors, and twice in one expression.
        let ones = Tensor::ones([6, 35], DType::F32, &device).unwrap();
        let sum: f64 = all.iter().map(|&x| f64::from(x)).sum();
        let total = (&ones * &x).sum(..).eval().unwrap().item::<f32>().unwrap();
        assert!((f64::from(total) - sum).abs() < 1e-3, "{device}");
        let difference = &x - random::uniform([6, 35], DType::F32, 3) + &ones * 0.0;
        assert_eq!(read(&difference), [0.0; 210], "{device}");
        // A longer tensor begins with the same numbers.
        assert_eq!(read(&random::uniform([300_000], DType::F32, 3))[..210], all, "{device}");
    }
}

#[test]
fn a_seed_may_change_between_evaluations() {
    for device in devices::devices() {
        let seed = ScalarCell::new(0.0);
        let x = random::uniform([100], DType::F32, &seed);
        for value in [0_u64, 1, 77, u64::from(u32::MAX)] {
            seed.set(value as f64);
            let want = on(&device, &random::uniform([100], DType::F32, value)).to_vec::<f32>().unwrap();
            assert_eq!(on(&device, &x).to_vec::<f32>().unwrap(), want, "{device}: {value}");
        }
    }
}

#[test]
fn seeds_and_elements_are_independent() {
    let n = 40_000;
    let draw = |seed: u64| random::uniform([n], DType::F32, seed).eval().unwrap().to_vec::<f32>().unwrap();
    let correlation = |a: &[f32], b: &[f32]| {
        let sum: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - 0.5) * (f64::from(*b) - 0.5)).sum();
        12.0 * sum / a.len() as f64
    };
    let (a, b, c) = (draw(0), draw(1), draw(1 << 32));
    // Four standard deviations of a correlation of independent numbers.
    let bound = 4.0 / (n as f64).sqrt();
    for (x, y) in [(&a[..], &b[..]), (&a, &c), (&b, &c), (&a[1..], &a[..n - 1]), (&a[64..], &a[..n - 64])] {
        let found = correlation(&x[..y.len().min(x.len())], y);
        assert!(found.abs() < bound, "{found}");
    }
}

/// The Kolmogorov–Smirnov statistic times the root of the number of samples.
fn kolmogorov_smirnov(mut samples: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let n = samples.len() as f64;
    let far = |(i, &x): (usize, &f64)| {
        let want = cdf(x);
        ((i + 1) as f64 / n - want).max(want - i as f64 / n)
    };
    samples.iter().enumerate().map(far).fold(0.0, f64::max) * n.sqrt()
}

/// Above this lies one sample of ten thousand, if the distribution is the right one: `√(ln(2 / α) / 2)`.
const CRITICAL: f64 = 2.2253;

fn phi(x: f64) -> f64 {
    f64::midpoint(1.0, libm::erf(x / std::f64::consts::SQRT_2))
}

fn f64s(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F32).unwrap().to_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
}

/// Mean, variance, and the third and fourth standardised moments.
fn moments(x: &[f64]) -> [f64; 4] {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let central = |k: i32| x.iter().map(|x| (x - mean).powi(k)).sum::<f64>() / n;
    let variance = central(2);
    [mean, variance, central(3) / variance.powf(1.5), central(4) / (variance * variance)]
}

#[test]
fn distributions_are_what_they_claim() {
    let n = 100_000;
    let root = (n as f64).sqrt();
    for device in devices::devices() {
        for seed in SEEDS {
            let x = f64s(&Tensor::uniform([n], 0.0..1.0, DType::F32, seed, &device).unwrap());
            let statistic = kolmogorov_smirnov(x.clone(), |x| x.clamp(0.0, 1.0));
            assert!(statistic < CRITICAL, "{device}: uniform, seed {seed}: {statistic}");
            let [mean, variance, skew, kurtosis] = moments(&x);
            // Five standard deviations of each estimate.
            assert!((mean - 0.5).abs() < 5.0 * 0.2887 / root && (variance - 1.0 / 12.0).abs() < 5.0 * 0.0745 / root);
            assert!(skew.abs() < 5.0 * 1.0 / root && (kurtosis - 1.8).abs() < 5.0 * 1.0 / root);

            let x = f64s(&Tensor::normal([n], 2.0, 3.0, DType::F32, seed, &device).unwrap());
            let statistic = kolmogorov_smirnov(x.clone(), |x| phi((x - 2.0) / 3.0));
            assert!(statistic < CRITICAL, "{device}: normal, seed {seed}: {statistic}");
            let [mean, variance, skew, kurtosis] = moments(&x);
            assert!((mean - 2.0).abs() < 5.0 * 3.0 / root && (variance - 9.0).abs() < 5.0 * 9.0 * 1.4143 / root);
            assert!(skew.abs() < 5.0 * 2.4495 / root && (kurtosis - 3.0).abs() < 5.0 * 4.899 / root);

            for (mean, std, range) in [(0.0, 1.0, -2.0..2.0), (0.0, 0.02, -2.0..2.0), (1.0, 2.0, 0.0..1.5)] {
                let w = Tensor::zeros([n], DType::F32, &device).unwrap();
                init::trunc_normal(&w, mean, std, range.clone(), seed).unwrap();
                let x = f64s(&w);
                assert!(x.iter().all(|x| (range.start..=range.end).contains(x)), "{device}");
                let [low, high] = [range.start, range.end].map(|x| phi((x - mean) / std));
                let statistic = kolmogorov_smirnov(x, |x| (phi((x - mean) / std) - low) / (high - low));
                assert!(statistic < CRITICAL, "{device}: truncated, seed {seed}: {statistic}");
            }
        }
    }
}

#[test]
fn the_test_of_distributions_can_fail() {
    let x: Vec<f64> = (0..100_000).map(|i| f64::from(i) / 100_000.0).collect();
    assert!(kolmogorov_smirnov(x.clone(), |x| x) < 0.01);
    assert!(kolmogorov_smirnov(x.iter().map(|x| x * 1.01).collect(), |x| x.clamp(0.0, 1.0)) > CRITICAL);
    assert!(kolmogorov_smirnov(x.iter().map(|x| x + 0.01).collect(), |x| x.clamp(0.0, 1.0)) > CRITICAL);
}

#[test]
fn wide_and_narrow_normal_numbers() {
    let device = Device::cpu();
    let x = Tensor::normal([50_000], 0.0, 1.0, DType::F64, 5, &device).unwrap().to_vec::<f64>().unwrap();
    assert!(kolmogorov_smirnov(x.clone(), phi) < CRITICAL);
    assert!(x.iter().any(|&x| f64::from(x as f32) != x));
    let w = Tensor::zeros([50_000], DType::F64, &device).unwrap();
    init::trunc_normal(&w, 0.0, 1.0, -1.0..1.0, 5).unwrap();
    let (low, high) = (phi(-1.0), phi(1.0));
    assert!(kolmogorov_smirnov(w.to_vec::<f64>().unwrap(), |x| (phi(x) - low) / (high - low)) < CRITICAL);
    for dtype in [DType::F16, DType::BF16] {
        let [mean, variance, ..] = moments(&f64s(&Tensor::normal([50_000], 0.0, 1.0, dtype, 5, &device).unwrap()));
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05);
    }
}

#[test]
fn initialisation_has_the_spread_of_its_formula() {
    for device in devices::devices() {
        let w = Tensor::zeros([60, 40, 3, 5], DType::F32, &device).unwrap();
        let (fan_in, fan_out) = (40.0 * 15.0, 60.0 * 15.0);
        let check = |name: &str, variance: f64, bound: f64| {
            let x = f64s(&w);
            let [mean, found, ..] = moments(&x);
            assert!(mean.abs() < 0.03 * variance.sqrt(), "{device}: {name}: mean {mean}");
            assert!((found / variance - 1.0).abs() < 0.04, "{device}: {name}: variance {found}, not {variance}");
            assert!(x.iter().all(|x| x.abs() <= bound), "{device}: {name}");
            assert!(x.iter().any(|x| x.abs() > 0.99 * bound) || bound.is_infinite(), "{device}: {name}");
        };
        init::xavier_uniform(&w, 1.0, 1).unwrap();
        check("xavier_uniform", 2.0 / (fan_in + fan_out), (6.0_f64 / (fan_in + fan_out)).sqrt() * (1.0 + 1e-6));
        init::xavier_normal(&w, 5.0 / 3.0, 2).unwrap();
        check("xavier_normal", 25.0 / 9.0 * 2.0 / (fan_in + fan_out), f64::INFINITY);
        init::kaiming_uniform(&w, Fan::In, Nonlinearity::LeakyRelu(5_f64.sqrt()), 3).unwrap();
        check("kaiming_uniform", 1.0 / (3.0 * fan_in), (1.0 / fan_in).sqrt() * (1.0 + 1e-6));
        init::kaiming_normal(&w, Fan::Out, Nonlinearity::Relu, 4).unwrap();
        check("kaiming_normal", 2.0 / fan_out, f64::INFINITY);
        init::uniform(&w, -2.0..2.0, 5).unwrap();
        check("uniform", 16.0 / 12.0, 2.0);
        init::constant(&w, 0.25).unwrap();
        assert!(f64s(&w).iter().all(|&x| x == 0.25), "{device}");
        // A view is filled alone, and by its own numbers.
        init::normal(&w.narrow(0, 1, 1).unwrap(), 0.0, 1.0, 6).unwrap();
        let want = Tensor::normal([1, 40, 3, 5], 0.0, 1.0, DType::F32, 6, &device).unwrap();
        assert_eq!(f64s(&w.narrow(0, 1, 1).unwrap()), f64s(&want), "{device}");
        assert!(f64s(&w.narrow(0, 2, 1).unwrap()).iter().all(|&x| x == 0.25), "{device}");
    }
}

#[test]
fn a_mask_of_dropout_fuses() {
    for device in devices::devices() {
        let x = Tensor::ones([1000, 100], DType::F32, &device).unwrap();
        let mask = random::bernoulli([1000, 100], 0.75, 9);
        let dropped = Expr::select(&mask, &x / 0.75, 0.0);
        let explanation = dropped.explain().unwrap();
        assert_eq!((explanation.passes.len(), explanation.bytes()), (1, 800_000), "{device}\n{explanation}");
        let parts = eval_all(&[dropped.mean(..), mask.cast(DType::F32).mean(..) + &x.mean(..) * 0.0]).unwrap();
        let [mean, kept] = [0, 1].map(|i| parts[i].item::<f32>().unwrap());
        assert!((mean - 1.0).abs() < 0.01 && (kept - 0.75).abs() < 0.008, "{device}: {mean} {kept}");
    }
}

#[test]
fn mistakes_are_named() {
    let device = Device::cpu();
    let message = |result: hadamard::Result<Tensor>| result.unwrap_err().to_string();
    let uniform = |range| message(Tensor::uniform([2], range, DType::F32, 1, &device));
    assert_eq!(uniform(1.0..0.0), "uniform: expected finite bounds, the lower first, found 1.0..0.0");
    assert!(uniform(f64::NAN..0.0).starts_with("uniform: expected finite bounds"));
    assert!(message(Tensor::normal([2], 0.0, -1.0, DType::F32, 1, &device)).contains("a std of at least 0"));
    assert_eq!(message(Tensor::uniform([2], 0.0..1.0, DType::I32, 1, &device)), "uniform: expected a float, found i32");
    assert_eq!(message(random::normal([2], DType::Bool, 1).eval()), "normal: expected a float, found bool");
    let bias = Tensor::zeros([3], DType::F32, &device).unwrap();
    assert_eq!(
        init::xavier_uniform(&bias, 1.0, 1).unwrap_err().to_string(),
        "xavier_uniform: expected weights [out, in, …] of rank 2 or more, found [3]"
    );
    assert!(init::trunc_normal(&bias, 0.0, 1.0, 2.0..1.0, 1).is_err());
    let empty = Tensor::zeros([0, 4], DType::F32, &device).unwrap();
    init::kaiming_normal(&empty, Fan::In, Nonlinearity::Relu, 1).unwrap();
}
