//! Random expressions over random shapes, dtypes and views, against the reference, on every device.
//!
//! Everything follows from a seed. `HADAMARD_PROPERTY_CASES` sets how many there are on each device, and
//! `HADAMARD_PROPERTY_SEED` the first of them, to replay one that failed.
#![cfg(feature = "gpu")]

mod choices;
mod devices;

use std::panic::{AssertUnwindSafe, catch_unwind};

use choices::Random;
use devices::{failures_on_each, limited, note};
use hadamard::{
    BinaryOp, DType, Device, DeviceKind, Error, Expr, ReduceOp, Result, Scan, ScanOp, Shape, Tensor, UnaryOp, assign,
    eval_all, reference,
};
use half::{bf16, f16};

/// How many a device, in a plain `cargo test`.
const CASES: u64 = 2000;
/// How many a software adapter, which compiles a shader or more for each.
const SOFTWARE_CASES: u64 = 100;

/// How many on each device with small limits.
const LIMITED_CASES: u64 = 30;

impl Random {
    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// Builds random expressions on a device.
struct Builder<'a> {
    random: Random,
    device: &'a Device,
    dtypes: Vec<DType>,
    /// Parts built before, to be used again.
    parts: Vec<Expr>,
}

impl<'a> Builder<'a> {
    fn new(device: &'a Device, seed: u64) -> Self {
        let mut random = Random(seed);
        let f64 = device.info().f64;
        let every = DType::ALL.into_iter().filter(|&d| d != DType::F64 || f64);
        // Mostly one or two dtypes an expression, f32 often.
        let one = random.pick(&every.collect::<Vec<_>>());
        let dtypes = vec![DType::F32, one, one];
        Self { random, device, dtypes, parts: vec![] }
    }

    fn size(&mut self) -> usize {
        match self.random.below(24) {
            0 => 0,
            1..6 => 1,
            6 => 64,
            7 => 65,
            8 => 33,
            n => 2 + n % 8,
        }
    }

    fn shape(&mut self) -> Vec<usize> {
        let rank = self.random.pick(&[0, 1, 1, 2, 2, 2, 3, 3, 4]);
        let mut shape: Vec<usize> = (0..rank).map(|_| self.size()).collect();
        while shape.iter().product::<usize>() > 20_000 {
            shape.pop();
        }
        shape
    }

    /// A shape that broadcasts to `shape`.
    fn broadcastable(&mut self, shape: &[usize]) -> Vec<usize> {
        let skip = if self.random.one_in(4) { self.random.below(shape.len() + 1) } else { 0 };
        shape[skip..].iter().map(|&n| if self.random.one_in(6) { 1 } else { n }).collect()
    }

    /// Contiguous values: whole numbers for integers, of limited digits or not for floats, now and then special.
    fn tensor(&mut self, shape: &[usize]) -> Result<Tensor> {
        let dtype = self.random.pick(&self.dtypes.clone());
        let style = self.random.below(8);
        let values: Vec<f64> = (0..shape.iter().product::<usize>())
            .map(|_| match style {
                0..3 => (self.random.below(33) as f64 - 16.0) / 4.0,
                3 if self.random.one_in(3) => {
                    self.random.pick(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e30, -1e30, 1e-30, 65504.0])
                }
                4 => self.random.below(7) as f64 - 3.0,
                _ => (self.random.next() >> 11) as f64 / 2f64.powi(51) - 2.0,
            })
            .collect();
        let device = self.device;
        match dtype {
            DType::Bool => Tensor::from_slice(&values.iter().map(|&v| v > 0.0).collect::<Vec<_>>(), shape, device),
            DType::U8 => {
                Tensor::from_slice(&values.iter().map(|&v| (v * 40.0) as i32 as u8).collect::<Vec<_>>(), shape, device)
            }
            DType::I8 => {
                Tensor::from_slice(&values.iter().map(|&v| (v * 20.0) as i8).collect::<Vec<_>>(), shape, device)
            }
            DType::I16 => {
                Tensor::from_slice(&values.iter().map(|&v| (v * 900.0) as i16).collect::<Vec<_>>(), shape, device)
            }
            DType::U16 => {
                Tensor::from_slice(&values.iter().map(|&v| (v * 9e3) as i32 as u16).collect::<Vec<_>>(), shape, device)
            }
            DType::U32 => {
                Tensor::from_slice(&values.iter().map(|&v| (v * 6e8) as i64 as u32).collect::<Vec<_>>(), shape, device)
            }
            DType::U64 => {
                Tensor::from_slice(&values.iter().map(|&v| (v * 9e9) as i64 as u64).collect::<Vec<_>>(), shape, device)
            }
            DType::I64 => {
                Tensor::from_slice(&values.iter().map(|&v| (v * 9e9) as i64).collect::<Vec<_>>(), shape, device)
            }
            DType::I32 => {
                Tensor::from_slice(&values.iter().map(|&v| (v * 9.0) as i32).collect::<Vec<_>>(), shape, device)
            }
            DType::F16 => {
                Tensor::from_slice(&values.iter().map(|&v| f16::from_f64(v)).collect::<Vec<_>>(), shape, device)
            }
            DType::BF16 => {
                Tensor::from_slice(&values.iter().map(|&v| bf16::from_f64(v)).collect::<Vec<_>>(), shape, device)
            }
            DType::F32 => Tensor::from_slice(&values.iter().map(|&v| v as f32).collect::<Vec<_>>(), shape, device),
            DType::F64 => Tensor::from_slice(&values, shape, device),
        }
    }

    /// A view of that shape into some larger buffer, and the buffer.
    fn strided(&mut self, shape: &[usize]) -> Result<(Tensor, Tensor)> {
        // From the view back to the buffer: what each dim is cut from, and in which order the dims lie.
        let mut order: Vec<usize> = (0..shape.len()).collect();
        if self.random.one_in(2) {
            for i in (1..order.len()).rev() {
                order.swap(i, self.random.below(i + 1));
            }
        }
        let cuts: Vec<(usize, usize, usize)> = shape
            .iter()
            .map(|&n| match self.random.below(6) {
                0 => (self.random.below(4), 1, self.random.below(4) + n),
                1 => (self.random.below(2), 2, 2 * n),
                _ => (0, 1, n),
            })
            .map(|(start, step, room)| (start, step, start + room))
            .collect();
        let sizes: Vec<usize> = order.iter().map(|&d| cuts[d].2).collect();
        let buffer = self.tensor(&sizes)?;
        let mut back = vec![0; order.len()];
        for (position, &d) in order.iter().enumerate() {
            back[d] = position as isize;
        }
        let mut view = buffer.permute(&back)?;
        for (d, &(start, step, _)) in cuts.iter().enumerate() {
            let end = if shape[d] == 0 { start } else { start + (shape[d] - 1) * step + 1 };
            view = view.slice(d as isize, start, end, step)?;
            if self.random.one_in(8) {
                view = view.flip(d as isize)?;
            }
        }
        assert_eq!(view.shape().dims(), shape);
        Ok((view, buffer))
    }

    fn leaf(&mut self, shape: &[usize]) -> Result<Expr> {
        let shape = self.broadcastable(shape);
        if self.random.one_in(8) {
            return Ok(match self.random.below(4) {
                0 => Expr::from(self.random.below(9) as i32 - 4),
                1 => Expr::from(self.random.one_in(2)),
                _ => Expr::from(
                    (self.random.below(65) as f64 - 32.0) / 16.0 + if self.random.one_in(2) { 0.1 } else { 0.0 },
                ),
            });
        }
        let leaf = if self.random.one_in(2) { self.tensor(&shape)? } else { self.strided(&shape)?.0 };
        // Drivers simplify what has one operand twice: `(a + b) - b`.
        self.parts.push((&leaf).into());
        Ok(leaf.into())
    }

    /// An expression whose shape broadcasts to `shape`.
    fn expr(&mut self, shape: &[usize], depth: usize) -> Result<Expr> {
        if depth == 0 {
            return self.leaf(shape);
        }
        let reusable: Vec<usize> = (0..self.parts.len()).filter(|&i| self.parts[i].shape().dims() == shape).collect();
        if !reusable.is_empty() && self.random.one_in(3) {
            return Ok(self.parts[self.random.pick(&reusable)].clone());
        }
        let below = depth - 1;
        let candidate = match self.random.below(18) {
            0 => return self.leaf(shape),
            1..4 => self.unary(shape, below)?,
            4..9 => {
                let (a, b) = (self.expr(shape, below)?, self.expr(shape, below)?);
                let op = self.random.pick(&BinaryOp::ALL);
                let op = if self.random.one_in(2) {
                    self.random.pick(&[BinaryOp::Add, BinaryOp::Mul, BinaryOp::Sub])
                } else {
                    op
                };
                // Powers of anything are mostly NaN or beyond range.
                if op == BinaryOp::Pow {
                    a.abs().pow(self.random.pick(&[0.5, 2.0, 3.0]))
                } else {
                    let [first, second] = op.domain();
                    within(&a, first).binary(op, within(&b, second))
                }
            }
            9 => {
                let c = self.expr(shape, below)?.gt(self.random.pick(&[-1.0, 0.0, 0.3]));
                Expr::select(c, self.expr(shape, below)?, self.expr(shape, below)?)
            }
            10 => self.expr(shape, below)?.cast(self.random.pick(&self.dtypes.clone())),
            11 | 12 => self.view(shape, below)?,
            13 => self.taken(shape, below)?,
            17 if self.random.one_in(2) => self.scan(shape, below)?,
            17 => self.sorted(shape, below)?,
            _ => self.reduction(shape, below)?,
        };
        // What the rules refuse (arithmetic on bools, say) is another test's matter.
        if candidate.error().is_some() {
            return self.leaf(shape);
        }
        self.parts.push(candidate.clone());
        Ok(candidate)
    }

    fn unary(&mut self, shape: &[usize], below: usize) -> Result<Expr> {
        let x = self.expr(shape, below)?;
        let op = self.random.pick(&UnaryOp::ALL);
        Ok(within(&x, op.domain()).unary(op))
    }

    /// A view that has this shape exactly, or an expression that broadcasts to it.
    fn view(&mut self, shape: &[usize], below: usize) -> Result<Expr> {
        let exact = |x: Expr, shape: &[usize]| x.broadcast_to(shape);
        let dim = if shape.is_empty() { return self.expr(shape, below) } else { self.random.below(shape.len()) };
        Ok(match self.random.below(6) {
            0 => {
                let mut from = shape.to_vec();
                let at = self.random.below(shape.len());
                from.swap(dim, at);
                exact(self.expr(&from, below)?, &from).transpose(dim as isize, at as isize)
            }
            1 => exact(self.expr(shape, below)?, shape).flip(dim as isize),
            2 => {
                let (start, step) = (self.random.below(3), 1 + self.random.below(2));
                let mut from = shape.to_vec();
                from[dim] = start + shape[dim] * step;
                exact(self.expr(&from, below)?, &from).slice(dim as isize, start, start + shape[dim] * step, step)
            }
            3 => {
                // All dims in one, or two neighbours in one.
                let flat = if dim + 1 < shape.len() {
                    let mut flat = shape.to_vec();
                    let joined = flat.remove(dim);
                    flat[dim] *= joined;
                    flat
                } else {
                    vec![shape.iter().product()]
                };
                exact(self.expr(&flat, below)?, &flat).reshape(shape)
            }
            4 => self.expr(shape, below)?.broadcast_to(shape),
            _ => {
                let mut from = shape.to_vec();
                from[dim] = 1;
                self.expr(&from, below)?
            }
        })
    }

    /// What an index chooses, or an update by one.
    fn taken(&mut self, shape: &[usize], below: usize) -> Result<Expr> {
        let Some(dim) = self.random.below(shape.len() + 1).checked_sub(1) else { return self.expr(shape, below) };
        let size = if shape.contains(&0) { 4 } else { self.random.pick(&[1, 2, 5, 33]) };
        let mut from = shape.to_vec();
        from[dim] = size;
        let x = self.expr(&from, below)?.broadcast_to(&from[..]);
        let at = dim as isize;
        Ok(match self.random.below(4) {
            0 | 1 => {
                let index = self.index(&[shape[dim]], size, true)?;
                x.index(at, index)
            }
            2 => {
                let mut one = self.broadcastable(shape);
                one.splice(0..0, std::iter::repeat_n(1, shape.len() - one.len()));
                one[dim] = shape[dim];
                let index = self.index(&one, size, true)?;
                x.take_along_dim(index, at).broadcast_to(shape)
            }
            _ => {
                let index = self.index(&[size], shape[dim].max(1), false)?;
                let target = self.expr(shape, below)?.broadcast_to(shape);
                let x = x.cast(target.dtype());
                if self.random.one_in(2) { target.index_copy(at, index, x) } else { target.index_add(at, index, x) }
            }
        })
    }

    /// Indices into a dim of `size` elements, as a tensor or made of one.
    fn index(&mut self, shape: &[usize], size: usize, from_end: bool) -> Result<Expr> {
        let n = shape.iter().product();
        let low = if from_end { size } else { 0 };
        let values: Vec<i64> = (0..n).map(|_: usize| self.random.below(size + low) as i64 - low as i64).collect();
        let wide = Tensor::from_slice(&values, shape, self.device)?;
        if self.random.one_in(2) {
            return Ok(wide.into());
        }
        let narrow = Tensor::from_slice(&values.iter().map(|&i| i as i32 + 1).collect::<Vec<_>>(), shape, self.device)?;
        Ok(narrow - 1)
    }

    fn scan(&mut self, shape: &[usize], below: usize) -> Result<Expr> {
        let Some(dim) = self.random.below(shape.len() + 1).checked_sub(1) else { return self.expr(shape, below) };
        let op = self.random.pick(&ScanOp::ALL);
        let x = self.expr(shape, below)?.broadcast_to(shape);
        let x = if op == ScanOp::Cumprod { x.clamp(-1.0, 1.0) } else { x };
        let x = if op == ScanOp::Logcumsumexp { x * 1.0 } else { x };
        let exclusive = self.random.one_in(3) && !matches!(op, ScanOp::Cummax | ScanOp::Cummin);
        Ok(x.scan(op, dim as isize, Scan { exclusive, reverse: self.random.one_in(3) }))
    }

    /// Elements or places in their order, of all ranks or of some.
    fn sorted(&mut self, shape: &[usize], below: usize) -> Result<Expr> {
        let Some(dim) = self.random.below(shape.len() + 1).checked_sub(1) else { return self.expr(shape, below) };
        let (falls, along) = (self.random.one_in(2), dim as isize);
        let mut from = shape.to_vec();
        let few = self.random.one_in(2);
        from[dim] += if few { 1 + self.random.below(7) } else { 0 };
        let x = self.expr(&from, below)?.broadcast_to(&from[..]);
        let pair = if few { x.topk(shape[dim], along, falls) } else { x.sort(along, falls) };
        Ok(if self.random.one_in(3) { pair.1 } else { pair.0 })
    }

    fn reduction(&mut self, shape: &[usize], below: usize) -> Result<Expr> {
        let mut from = shape.to_vec();
        let mut dims = vec![];
        for _ in 0..=self.random.below(2) {
            if from.len() < 5 {
                let at = self.random.below(from.len() + 1);
                let size = self.random.pick(&[1, 2, 3, 7, 40, 257]);
                if from.iter().product::<usize>() * size > 40_000 {
                    continue;
                }
                for d in &mut dims {
                    *d += isize::from(*d >= at as isize);
                }
                from.insert(at, size);
                dims.push(at as isize);
            }
        }
        if dims.is_empty() {
            return self.expr(shape, below);
        }
        let x = self.expr(&from, below)?.broadcast_to(&from[..]);
        let op = self.random.pick(&[
            ReduceOp::Sum,
            ReduceOp::Sum,
            ReduceOp::Mean,
            ReduceOp::Amax,
            ReduceOp::Amin,
            ReduceOp::Any,
            ReduceOp::All,
            ReduceOp::Prod,
        ]);
        let x = if op == ReduceOp::Prod { x.clamp(-1.0, 1.0) } else { x };
        let x = if op == ReduceOp::Mean { x * 1.0 } else { x };
        Ok(x.reduce(op, &dims[..]))
    }
}

/// `x`, brought to where an operation's results have a value and ordinary size.
fn within(x: &Expr, (low, high): (f64, f64)) -> Expr {
    match (low.is_finite(), high.is_finite()) {
        (false, false) => x.clone(),
        (true, false) if low < 0.0 => x.abs(),
        (true, false) => x.abs() + (low + 0.25),
        _ => x.clamp(low.max(-3.0), high.min(3.0)),
    }
}

/// What is wrong with the expressions of a seed, if anything is; and how many elements were judged and how many not.
fn check(device: &Device, seed: u64, depth: usize) -> Result<(usize, usize), String> {
    let mut builder = Builder::new(device, seed);
    let shape = builder.shape();
    let several = if builder.random.one_in(5) { 1 + builder.random.below(3) } else { 1 };
    let mut exprs = Vec::new();
    for _ in 0..several {
        exprs.push(builder.expr(&shape, depth).map_err(|e| format!("building failed: {e}"))?);
    }
    let shown = |what: &str, error: &dyn std::fmt::Display| format!("{what} of {exprs:?}: {error}");
    let wants = exprs.iter().map(reference::eval).collect::<Result<Vec<_>>>().map_err(|e| shown("reference", &e))?;
    let got = if several == 1 { exprs[0].eval().map(|x| vec![x]) } else { eval_all(&exprs) };
    let got = got.map_err(|e| shown("eval", &e))?;
    let (mut judged, mut undetermined) = (0, 0);
    for (i, (got, want)) in got.iter().zip(&wants).enumerate() {
        let comparison = reference::compare(got, want).map_err(|e| shown("comparison", &e))?;
        if !comparison.passed() {
            return Err(shown(&format!("result {i}"), &comparison));
        }
        judged += comparison.elements;
        undetermined += comparison.undetermined;
    }
    // In place, into a view of another dtype, which the expression may read.
    let (target, _) = builder.strided(&shape).map_err(|e| shown("target", &e))?;
    let value = if builder.random.one_in(2) { &exprs[0] + &target } else { exprs[0].clone() };
    let value = if value.error().is_some() { exprs[0].clone() } else { value };
    let want = reference::eval(&value.cast(target.dtype()).broadcast_to(target.shape()))
        .map_err(|e| shown("reference", &e))?;
    match assign(&[(&target, value)]) {
        Ok(()) => {}
        // A part of rank 0 may broadcast to a shape the target has not.
        Err(Error::Broadcast { .. }) => return Ok((judged, undetermined)),
        Err(error) => return Err(shown("assign", &error)),
    }
    let comparison = reference::compare(&target, &want).map_err(|e| shown("comparison", &e))?;
    if !comparison.passed() {
        return Err(shown(&format!("assignment to {target:?} with strides {:?}", target.strides()), &comparison));
    }
    Ok((judged + comparison.elements, undetermined + comparison.undetermined))
}

/// The same, with a panic of the engine as what is wrong.
fn check_or_panic(device: &Device, seed: u64, depth: usize) -> Result<(usize, usize), String> {
    catch_unwind(AssertUnwindSafe(|| check(device, seed, depth))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
        Err(format!("panicked: {}", text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()))
    })
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a number, not '{value}'")))
}

/// What is wrong with so many random expressions, from seed `first` on.
fn sweep(device: &Device, name: &str, first: u64, cases: u64) -> Vec<String> {
    let mut failures = Vec::new();
    let (mut judged, mut undetermined, mut vague, mut refused) = (0, 0, 0, 0);
    for seed in first..first + cases {
        let depth = 1 + (seed % 5) as usize;
        match check_or_panic(device, seed, depth) {
            Ok((elements, unknown)) => {
                judged += elements;
                undetermined += unknown;
                vague += u64::from(unknown * 2 > elements);
            }
            // A device may do less with f64 than arithmetic, if it says so.
            Err(message) if message.contains("f64") && message.contains("does not support") => refused += 1,
            Err(message) => {
                // The same choices cut short often fail the same way and are easier to read.
                let shallower = (0..depth).find_map(|depth| check_or_panic(device, seed, depth).err());
                failures.push(format!("{name}, seed {seed}: {}", shallower.unwrap_or(message)));
            }
        }
    }
    note(&format!(
        "{name}: {cases} random expressions, {judged} elements, {undetermined} of them undetermined, {refused} refused"
    ));
    assert!(refused * 4 < cases, "too much is refused to be worth testing");
    assert!(vague * 4 < cases + 4, "too little is determined to be worth testing");
    failures
}

fn report(failures: &[String]) {
    let shown = failures.iter().take(20).map(String::as_str).collect::<Vec<_>>().join("\n\n");
    assert!(failures.is_empty(), "{} failures:\n{shown}", failures.len());
}

#[test]
fn random_expressions_are_right_on_every_device() {
    let wanted = variable("HADAMARD_PROPERTY_CASES");
    let first = variable("HADAMARD_PROPERTY_SEED").unwrap_or(1);
    report(&failures_on_each(|device| {
        let software = device.info().kind == DeviceKind::Software;
        let cases = wanted.unwrap_or(if software { SOFTWARE_CASES } else { CASES });
        sweep(device, &device.to_string(), first, cases)
    }));
}

/// The same where a binding reaches 2 KiB, a kernel has four of them and a grid 8 by 8 workgroups, so that most work is
/// done in pieces.
#[test]
fn random_expressions_are_right_in_pieces() {
    let cases = variable("HADAMARD_PROPERTY_CASES").unwrap_or(LIMITED_CASES);
    let first = variable("HADAMARD_PROPERTY_SEED").unwrap_or(100_000);
    report(&failures_on_each(|device| {
        if !device.is_gpu() {
            return vec![];
        }
        let small = limited(device, |limits| {
            limits.max_storage_buffer_binding_size = 2048;
            limits.max_storage_buffers_per_shader_stage = 4;
            limits.max_compute_workgroups_per_dimension = 8;
        });
        let before = small.counters().kernels;
        let failures = sweep(&small, &format!("{device} with small limits"), first, cases);
        let kernels = small.counters().kernels - before;
        assert!(kernels > 5 * cases, "{kernels} kernels for {cases} expressions: were they cut?");
        failures
    }));
}

/// The same seed builds the same expression, or nothing could be replayed.
#[test]
fn a_seed_is_a_case() {
    let device = Device::cpu();
    let build = |seed| {
        let mut builder = Builder::new(&device, seed);
        let shape = builder.shape();
        let expr = builder.expr(&shape, 4).unwrap();
        (format!("{expr:?}"), Shape::from(shape), reference::eval(&expr).unwrap().values)
    };
    let mut long = 0;
    for seed in 1..200 {
        let (a, b) = (build(seed), build(seed));
        long += usize::from(a.0.len() > 100);
        assert_eq!((a.0, a.1), (b.0, b.1), "seed {seed}");
        assert!(a.2.iter().zip(&b.2).all(|(x, y)| x.to_bits() == y.to_bits()), "seed {seed}");
    }
    assert!(long > 50, "most expressions have something in them");
}
