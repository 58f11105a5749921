//! Packed parameters train as single ones do, to the bit: hooks, rules, norms and masks mean each parameter in its own
//! shape, frozen ones beside it or not, and the gaps stay 0.

mod devices;

use hadamard::optim::{
    ASGD, Adadelta, Adagrad, Adam, AdamW, Adamax, Lion, NAdam, Optimizer, Parameters, RAdam, RMSprop, Rprop, Rule, SGD,
};
use hadamard::{DType, Device, Error, Expr, Params, ScalarCell, Tensor, einsum, random};

/// Sizes that are no multiples of four beside some that are; scalars; equal sizes of unlike shapes.
const SHAPES: [&[usize]; 8] = [&[3], &[2, 5], &[], &[4, 1, 3], &[7], &[10], &[1], &[5, 13]];

fn start(dtype: DType, device: &Device) -> Vec<Tensor> {
    let tensors = SHAPES.iter().enumerate().map(|(i, shape)| {
        let n: usize = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|j| ((i * 31 + j * 17) % 41) as f32 / 20.0 - 1.03).collect();
        Tensor::from_slice(&values, *shape, device).unwrap().to_dtype(dtype).unwrap()
    });
    tensors.collect()
}

fn pack(tensors: &[Tensor]) -> Params {
    let names: Vec<String> = (0..tensors.len()).map(|i| i.to_string()).collect();
    Params::pack(&names.iter().map(String::as_str).zip(tensors).collect::<Vec<_>>()).unwrap()
}

/// A loss of all parameters, whose gradients are elementwise for some and sums for others.
fn loss(w: &[&Tensor]) -> Expr {
    let terms = w.iter().enumerate().map(|(i, w)| ((1.0 + i as f64) * *w - 0.3).tanh().square().sum(..));
    let sum = terms.reduce(|a, b| a + b).unwrap();
    let device = w[0].device();
    let x: Vec<f32> = (0..15).map(|i| (i as f32 * 0.7).sin()).collect();
    let x = Tensor::from_slice(&x, [3, 5], &device).unwrap();
    let y = einsum("bi,oi->bo", &[Expr::from(&x), w[1].cast(DType::F32)]).tanh();
    sum.cast(DType::F32) + y.square().mean(..) + (w[5].cast(DType::F32) * y.sum(..)).mean(..)
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    tensor.to_dtype(DType::F32).unwrap().to_vec::<f32>().unwrap().iter().map(|x| x.to_bits()).collect()
}

/// How gradients are handed over.
#[derive(Clone, Copy, PartialEq, Debug)]
enum By {
    Loss,
    Grads,
    /// One for the whole block, with gaps that are not 0.
    Block,
}

/// Trains single and packed parameters by optimizers that `new` makes of them, and compares.
fn same<R: Rule>(device: &Device, what: &str, new: impl Fn(Parameters, Option<&Params>) -> Optimizer<R>) {
    same_of(device, what, DType::F32, &[By::Loss, By::Grads, By::Block], |_| false, new);
}

fn same_of<R: Rule>(
    device: &Device,
    what: &str,
    dtype: DType,
    ways: &[By],
    frozen: impl Fn(&str) -> bool,
    new: impl Fn(Parameters, Option<&Params>) -> Optimizer<R>,
) {
    for &by in ways {
        let single = start(dtype, device);
        let packed = pack(&start(dtype, device));
        let before: Vec<Vec<u32>> = single.iter().map(bits).collect();
        let mut alone = new(Parameters::from(&single[..]), None);
        let mut together = new(Parameters::from(&packed), Some(&packed));
        alone.freeze(true, &frozen);
        together.freeze(true, &frozen);
        let of_single = loss(&single.iter().collect::<Vec<_>>());
        let of_packed = loss(&packed.iter().map(|(_, w)| w).collect::<Vec<_>>());
        let name = format!("{device}: {} {what}, {dtype}, by {by:?}", R::NAME);
        let mut moved = vec![false; single.len()];
        for step in 1..=3 {
            match by {
                By::Loss => {
                    alone.minimize(&of_single).unwrap_or_else(|error| panic!("{name}: {error}"));
                    together.minimize(&of_packed).unwrap_or_else(|error| panic!("{name}: {error}"));
                }
                By::Grads | By::Block => {
                    let grads: Vec<Tensor> = single.iter().map(|w| (0.7 * w - 0.2).sin().eval().unwrap()).collect();
                    alone.step(&grads).unwrap_or_else(|error| panic!("{name}: {error}"));
                    if by == By::Grads {
                        together.step(&grads).unwrap_or_else(|error| panic!("{name}: {error}"));
                    } else {
                        // As it is in the gaps, the sine of -0.2.
                        let block = (0.7 * packed.flat() - 0.2).sin().eval().unwrap();
                        together.step(&[block]).unwrap_or_else(|error| panic!("{name}: {error}"));
                    }
                }
            }
            for (i, (w, (own, packed))) in single.iter().zip(packed.iter()).enumerate() {
                assert_eq!(bits(w), bits(packed), "{name}: '{own}' after {step}");
                moved[i] |= before[i] != bits(w);
            }
        }
        let frozen: Vec<bool> = packed.iter().map(|(own, _)| frozen(own)).collect();
        assert!(moved.iter().zip(frozen).all(|(moved, frozen)| *moved != frozen), "{name}: {moved:?}");
        gaps_are_0(&packed, &name);
    }
}

fn gaps_are_0(packed: &Params, name: &str) {
    let all = packed.flat().to_dtype(DType::F32).unwrap().to_vec::<f32>().unwrap();
    let mut own = vec![false; all.len()];
    for (_, w) in packed.iter() {
        let start = w.offset() - packed.flat().offset();
        own[start..start + w.numel()].fill(true);
    }
    assert!(all.iter().zip(&own).all(|(w, own)| *own || *w == 0.0), "{name}: {all:?}");
}

macro_rules! every_optimizer {
    ($device:expr, $what:expr, $with:expr) => {
        same($device, $what, |p, all| $with(SGD::new(p).lr(0.1).momentum(0.9).weight_decay(0.01), all));
        same($device, $what, |p, all| $with(Adam::new(p).lr(0.1).amsgrad(true), all));
        same($device, $what, |p, all| $with(AdamW::new(p).lr(0.1), all));
        same($device, $what, |p, all| $with(NAdam::new(p).lr(0.1), all));
        same($device, $what, |p, all| $with(RAdam::new(p).lr(0.1), all));
        same($device, $what, |p, all| $with(Adamax::new(p).lr(0.1), all));
        same($device, $what, |p, all| $with(RMSprop::new(p).lr(0.1).momentum(0.5).centered(true), all));
        same($device, $what, |p, all| $with(Adagrad::new(p).lr(0.1), all));
        same($device, $what, |p, all| $with(Adadelta::new(p).lr(0.5), all));
        same($device, $what, |p, all| $with(Rprop::new(p).lr(0.1), all));
        same($device, $what, |p, all| $with(ASGD::new(p).lr(0.1).t0(1.0), all));
        same($device, $what, |p, all| $with(Lion::new(p).lr(0.1), all));
    };
}

fn plain<R: Rule>(optimizer: Optimizer<R>, _: Option<&Params>) -> Optimizer<R> {
    optimizer
}

/// Hooks that reduce, a norm of all, and a projection that moves 0.
fn hooked<R: Rule>(optimizer: Optimizer<R>, _: Option<&Params>) -> Optimizer<R> {
    optimizer
        .grad_hook(|g| g / (g.norm(2, ..) + 0.1) - 0.5 * g.mean(..))
        .clip_grad_norm(0.5)
        .weight_hook(|w| w.clamp(0.05, 0.9))
}

#[test]
fn every_optimizer_does_the_same_packed() {
    for device in devices::devices() {
        every_optimizer!(&device, "plain", plain);
        every_optimizer!(&device, "hooked", hooked);
    }
}

/// A layer-wise rate: a rule that reduces both weight and gradient.
#[derive(Clone)]
struct Lars;

impl Rule for Lars {
    const NAME: &'static str = "Lars";
    const LR: f64 = 0.1;

    fn state(&self, _lr: f64) -> Vec<(&'static str, f64)> {
        vec![("momentum", 0.25)]
    }

    fn numbers(&self, lr: f64, _step: u64, _memory: &mut [f64]) -> Vec<f64> {
        vec![lr]
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        let rate = w.norm(2, ..) / (g.norm(2, ..) + 0.1 * w.norm(2, ..) + 1e-3);
        let m = 0.9 * &state[0] + rate * (g + 0.1 * w);
        (w - &numbers[0] * &m, vec![m])
    }
}

/// A hook of each kind, one at a time.
fn kinds<R: Rule>(device: &Device, new: impl Fn(Parameters) -> Optimizer<R>) {
    let cell = ScalarCell::new(0.3);
    let scale = Tensor::full([], 0.75_f32, device).unwrap();
    let flat = |all: Option<&Params>| all.map(|params| params.flat().clone());
    same(device, "clip", |p, _| new(p).clip_grad_norm(1.0));
    same(device, "clip after a hook", |p, _| new(p).grad_hook(|g| g + 1.0).clip_grad_norm(1.0));
    same(device, "two clips", |p, _| new(p).clip_grad_norm(2.0).grad_hook(Expr::exp).clip_grad_norm(1.0));
    same(device, "clamp of gradients", |p, _| new(p).grad_hook(|g| g.clamp(0.1, 0.4)));
    same(device, "norm", |p, _| new(p).grad_hook(|g| g / g.norm(2, ..)));
    same(device, "mean", |p, _| new(p).grad_hook(|g| g - 0.5 * g.mean(..)).grad_hook(|g| g * 1.5));
    same(device, "sort of rows", |p, _| {
        new(p).grad_hook(|g| if g.shape().rank() > 1 { g - 0.5 * g.mean(-1).unsqueeze(-1) } else { g.clone() })
    });
    same(device, "view", |p, _| {
        new(p).grad_hook(|g| if g.shape().rank() > 0 { g + 0.5 * g.flip(0) } else { g.clone() })
    });
    same(device, "rank", |p, _| new(p).grad_hook(|g| if g.shape().rank() > 1 { 0.5 * g } else { g.clone() }));
    same(device, "size", |p, _| new(p).grad_hook(|g| g / (g.shape().numel() as f64)));
    let (c, s) = (cell.clone(), scale.clone());
    same(device, "cell and scalar", |p, _| {
        let (c, s) = (c.clone(), s.clone());
        new(p).grad_hook(move |g| g * &c + &s).weight_hook(|w| w - 0.01)
    });
    let s = scale.clone();
    same(device, "sum of another", |p, _| {
        let s = s.clone();
        new(p).grad_hook(move |g| g * s.square().sum(..))
    });
    same(device, "noise", |p, _| new(p).grad_hook(|g| g + 0.1 * random::normal(g.shape().clone(), DType::F32, 7)));
    same(device, "projection", |p, _| new(p).weight_hook(|w| w.clamp(0.1, 2.0)));
    same(device, "sphere", |p, _| new(p).weight_hook(|w| w / (w.norm(2, ..) + 0.1)).weight_hook(|w| w + 0.01));
    same(device, "centre", |p, _| new(p).weight_hook(|w| w - 0.5 * w.mean(..)));
    same(device, "turn", |p, _| {
        new(p).weight_hook(|w| if w.shape().rank() > 0 { w + 0.1 * w.flip(0) } else { w + 1.0 })
    });
    same(device, "all at once", |p, _| {
        new(p).grad_hook(|g| g + 1.0).clip_grad_norm(1.0).weight_hook(|w| w / (w.norm(2, ..) + 0.1)).maximize(true)
    });
    // A tensor laid out as the block belongs to packed parameters alone: the old weights, which single ones read apart.
    let single = start(DType::F32, device);
    let packed = pack(&single);
    let mut by_block = new(Parameters::from(&packed)).grad_hook({
        let all = flat(Some(&packed)).unwrap();
        move |g| g + 0.5 * all.sign()
    });
    let mut alone: Vec<Optimizer<R>> = single
        .iter()
        .map(|w| {
            let own = w.clone();
            new(Parameters::from(w)).grad_hook(move |g| g + 0.5 * own.sign())
        })
        .collect();
    for frozen in [false, true] {
        by_block.freeze(frozen, |name| name == "3");
        let grads: Vec<Tensor> = single.iter().map(|w| (0.7 * w - 0.2).sin().eval().unwrap()).collect();
        by_block.step(&grads).unwrap();
        for (i, (optimizer, grad)) in alone.iter_mut().zip(&grads).enumerate() {
            if !(frozen && i == 3) {
                optimizer.step(&[grad]).unwrap();
            }
        }
        assert!(single.iter().zip(packed.iter()).all(|(a, (_, b))| bits(a) == bits(b)), "{device}: L1");
    }
    gaps_are_0(&packed, "L1");
}

#[test]
fn every_kind_of_hook_does_the_same_packed() {
    for device in devices::devices() {
        kinds(&device, |p| SGD::new(p).lr(0.25));
    }
}

#[test]
fn hooks_of_a_rule_with_states_do_the_same_packed() {
    for device in devices::devices() {
        kinds(&device, |p| Adam::new(p).lr(0.1));
    }
}

#[test]
fn rules_that_reduce_mean_each_parameter() {
    for device in devices::devices() {
        kinds(&device, |p| Optimizer::with(Lars, p));
    }
}

#[test]
fn freezing_one_changes_no_other() {
    for device in devices::devices() {
        for frozen in [&["1"][..], &["0"], &["7"], &["2", "4"], &["0", "1", "2", "3", "4", "5", "7"]] {
            let frozen = |name: &str| frozen.contains(&name);
            let ways = [By::Loss, By::Grads, By::Block];
            let sgd = |p: Parameters, _: Option<&Params>| hooked(SGD::new(p).lr(0.2), None);
            same_of(&device, "frozen", DType::F32, &ways, frozen, sgd);
            let clip = |p: Parameters, _: Option<&Params>| Adam::new(p).clip_grad_norm(0.3);
            same_of(&device, "frozen and clipped", DType::F32, &ways, frozen, clip);
            same_of(&device, "frozen", DType::F32, &ways, frozen, |p, _| Optimizer::with(Lars, p));
        }
    }
}

#[test]
fn sixteen_bits_are_the_same_packed() {
    for device in devices::devices() {
        for dtype in [DType::F16, DType::BF16] {
            let ways = [By::Loss, By::Grads];
            same_of(&device, "16 bits", dtype, &ways, |_| false, |p, _| SGD::new(p).lr(0.25).clip_grad_norm(1.0));
            same_of(&device, "hooked", dtype, &ways, |_| false, |p, _| hooked(Adam::new(p).lr(0.2), None));
            same_of(&device, "by rows", dtype, &ways, |name| name == "2", |p, _| Optimizer::with(Lars, p));
        }
    }
}

#[test]
fn groups_of_one_buffer_are_as_groups_of_single_parameters() {
    for device in devices::devices() {
        let (single, packed) = (start(DType::F32, &device), pack(&start(DType::F32, &device)));
        let odd = |name: &str| ["1", "2", "5"].contains(&name);
        let pick = |which: &dyn Fn(usize) -> bool| -> Vec<&Tensor> {
            single.iter().enumerate().filter(|(i, _)| which(*i)).map(|(_, w)| w).collect()
        };
        let is_odd = |i: usize| odd(&i.to_string());
        let two = |a: Parameters, b: Parameters| {
            let optimizer = Adam::new(a).lr(0.1).weight_hook(|w| w.clamp(0.1, 1.0)).group(b).lr(0.3);
            optimizer.grad_hook(|g| g - g.mean(..)).clip_grad_norm(0.7)
        };
        let mut alone = two(pick(&is_odd)[..].into(), pick(&|i| !is_odd(i))[..].into());
        let mut together = two(packed.select(odd).unwrap(), packed.select(|name| !odd(name)).unwrap());
        let of_single = loss(&single.iter().collect::<Vec<_>>());
        let of_packed = loss(&packed.iter().map(|(_, w)| w).collect::<Vec<_>>());
        for _ in 0..3 {
            alone.minimize(&of_single).unwrap();
            together.minimize(&of_packed).unwrap();
        }
        for (w, (name, other)) in single.iter().zip(packed.iter()) {
            assert_eq!(bits(w), bits(other), "{device}: '{name}'");
        }
        gaps_are_0(&packed, "groups");
    }
}

/// Sums that are split over workgroups and threads.
#[test]
fn long_norms_are_the_same_packed() {
    for device in devices::devices() {
        let shapes: [&[usize]; 4] = [&[257, 131], &[40_003], &[9], &[64, 96]];
        let noise = |seed: u64| -> Vec<Tensor> {
            let draw = |(i, shape): (usize, &&[usize])| {
                Tensor::normal(*shape, 0.0, 1.0, DType::F32, seed + i as u64, &device).unwrap()
            };
            shapes.iter().enumerate().map(draw).collect()
        };
        let (single, grads) = (noise(1), noise(100));
        let packed = pack(&single);
        let with = |p: Parameters| {
            let adam = Adam::new(p).lr(0.1).grad_hook(|g| g / g.norm(2, ..)).grad_hook(|g| g + 0.25);
            adam.clip_grad_norm(1.0).weight_hook(|w| w - w.mean(..))
        };
        let (mut alone, mut together) = (with(Parameters::from(&single[..])), with(Parameters::from(&packed)));
        let (mut by_clip, mut by_block) =
            (SGD::new(&single[..]).clip_grad_norm(0.5), SGD::new(&packed).clip_grad_norm(0.5));
        let block = pack(&grads);
        for _ in 0..2 {
            alone.step(&grads).unwrap();
            together.step(&grads).unwrap();
            by_clip.step(&grads).unwrap();
            by_block.step(&[block.flat()]).unwrap();
        }
        assert!(single.iter().zip(packed.iter()).all(|(a, (_, b))| bits(a) == bits(b)), "{device}");
        gaps_are_0(&packed, "long");
    }
}

/// One and five numbers: what they are worked out to by hand.
#[test]
fn the_norm_of_a_hooked_gradient_knows_no_gaps() {
    for device in devices::devices() {
        let zeros =
            [Tensor::zeros([1], DType::F32, &device).unwrap(), Tensor::zeros([5], DType::F32, &device).unwrap()];
        let packed = pack(&zeros);
        let mut sgd = SGD::new(&packed).lr(1.0).grad_hook(|g| g + 1.0).clip_grad_norm(1.0);
        sgd.step(&zeros).unwrap();
        let want = -1.0 / (6.0_f64.sqrt() + 1e-6);
        for (_, w) in packed.iter() {
            assert!(w.to_vec::<f32>().unwrap().iter().all(|w| (f64::from(*w) - want).abs() < 1e-7), "{device}: {w}");
        }
        gaps_are_0(&packed, "by hand");
    }
}

#[test]
fn gaps_stay_0_where_0_divides_0_and_where_rates_are_infinite() {
    for device in devices::devices() {
        let packed = pack(&start(DType::F32, &device));
        let grads: Vec<Tensor> = packed.iter().map(|(_, w)| w.cos().eval().unwrap()).collect();
        let mut adam = Adam::new(&packed).eps(0.0);
        adam.step(&grads).unwrap();
        gaps_are_0(&packed, "eps 0");
        assert!(packed.iter().all(|(_, w)| w.to_vec::<f32>().unwrap().iter().all(|w| w.is_finite())), "{device}");
        let mut sgd = SGD::new(&packed).lr(f64::INFINITY).clip_grad_norm(1.0);
        sgd.step(&grads).unwrap();
        gaps_are_0(&packed, "an infinite rate");
        let nan = Tensor::full([], f32::NAN, &device).unwrap();
        let mut sgd = SGD::new(&packed).grad_hook(move |g| g * &nan).clip_grad_norm(1.0);
        sgd.step(&grads).unwrap();
        gaps_are_0(&packed, "NaN");
    }
}

/// `flat()`, gradients of a whole block, masks and what a hook is given have one length.
#[test]
fn a_mask_of_the_whole_block_is_read_in_the_blocks_one_pass() {
    for device in devices::devices() {
        let packed = pack(&start(DType::F32, &device));
        let keep = packed.zeros_like().unwrap();
        for (i, (_, mask)) in keep.iter().enumerate() {
            mask.fill(if i % 2 == 0 { 1.0 } else { 0.0 }).unwrap();
        }
        let mask = keep.flat().gt(0.5).eval().unwrap();
        assert_eq!(mask.shape(), packed.flat().shape());
        let mut sgd = SGD::new(&packed).lr(0.5).weight_hook(move |w| w * &mask);
        let before: Vec<Vec<f32>> = packed.iter().map(|(_, w)| w.to_vec().unwrap()).collect();
        let ones = (0.0 * packed.flat() + 1.0).eval().unwrap();
        for frozen in [false, true] {
            sgd.freeze(frozen, |name| name == "3");
            sgd.step(&[&ones]).unwrap();
            for (i, ((_, w), before)) in packed.iter().zip(&before).enumerate() {
                let steps = if i == 3 || !frozen { 1.0 } else { 2.0 };
                let want = |w: &f32| if i % 2 == 0 { (0..steps as usize).fold(*w, |w, _| w - 0.5) } else { 0.0 };
                let want: Vec<f32> = before.iter().map(want).collect();
                assert_eq!(w.to_vec::<f32>().unwrap(), want, "{device}: {i}");
            }
        }
        gaps_are_0(&packed, "mask");
        // A mask of one parameter's shape fits no other, and the error says so.
        let mask = Tensor::full([3], true, &device).unwrap();
        let mut sgd = SGD::new(&packed).weight_hook(move |w| w * &mask);
        assert!(matches!(sgd.step(&[&ones]), Err(Error::Broadcast { .. })), "{device}");
    }
}
