//! The table of what is timed, for `hadamard bench` and for `cargo bench --bench main`.

use hadamard::{DType, Device, Expr, Result, Tensor, assign};

/// A piece of work over square tensors of side `n`.
pub(crate) struct Case {
    /// A short name, for tables and filters.
    pub(crate) name: &'static str,
    /// What is written to get it.
    pub(crate) code: &'static str,
    /// Elements read and written at the least: each input once, each result once.
    pub(crate) elements: fn(n: u64) -> u64,
    /// Roundings on the way to a result, no more: an error bound in units of ε. All terms are positive, so no
    /// cancellation makes it larger.
    pub(crate) roundings: fn(n: u64) -> u64,
    work: fn(&Inputs) -> Work,
}

/// Every case; the first is the copy that the others are held against.
pub(crate) const ALL: &[Case] = &[
    Case {
        name: "copy",
        code: "out.assign(&a)",
        elements: |n| 2 * n * n,
        roundings: |_| 0,
        work: |x| Work::write(&x.out, &x.a),
    },
    Case {
        name: "product",
        code: "out.assign(&a * &b)",
        elements: |n| 3 * n * n,
        roundings: |_| 1,
        work: |x| Work::write(&x.out, &x.a * &x.b),
    },
    Case {
        name: "by row",
        code: "out.assign(&a * &row)",
        elements: |n| 2 * n * n + n,
        roundings: |_| 1,
        work: |x| Work::write(&x.out, &x.a * &x.row),
    },
    Case {
        name: "by column",
        code: "out.assign(&a * &column)",
        elements: |n| 2 * n * n + n,
        roundings: |_| 1,
        work: |x| Work::write(&x.out, &x.a * &x.column),
    },
    Case {
        name: "by number",
        code: "out.assign(&a * 0.7)",
        elements: |n| 2 * n * n,
        roundings: |_| 1,
        work: |x| Work::write(&x.out, &x.a * 0.7),
    },
    Case {
        name: "combine",
        code: "out.assign(&w * &a + (1.0 - &w) * &b)",
        elements: |n| 4 * n * n,
        roundings: |_| 4,
        work: |x| Work::write(&x.out, &x.w * &x.a + (1.0 - &x.w) * &x.b),
    },
    Case {
        name: "momentum",
        code: "assign(&[(&m, 0.9 * &m + &g), (&w, &w - 0.01 * (0.9 * &m + &g))])",
        elements: |n| 5 * n * n,
        roundings: |_| 6,
        work: |x| {
            let momentum = 0.9 * &x.m + &x.a;
            Work::Write(vec![(x.m.clone(), momentum.clone()), (x.out.clone(), &x.out - 0.01 * momentum)])
        },
    },
    Case {
        name: "sum dim 0",
        code: "(&a * &b).sum(0).eval()",
        elements: |n| 2 * n * n + n,
        roundings: |n| n + 1,
        work: |x| Work::Value((&x.a * &x.b).sum(0)),
    },
    Case {
        name: "sum dim 1",
        code: "(&a * &b).sum(1).eval()",
        elements: |n| 2 * n * n + n,
        roundings: |n| n + 1,
        work: |x| Work::Value((&x.a * &x.b).sum(1)),
    },
    Case {
        name: "sum all",
        code: "(&a * &b).sum(..).eval()",
        elements: |n| 2 * n * n + 1,
        // As if each row were summed and then the sums of the rows.
        roundings: |n| 2 * n + 1,
        work: |x| Work::Value((&x.a * &x.b).sum(..)),
    },
];

impl Case {
    /// Bytes read and written at the least.
    pub(crate) fn bytes(&self, n: usize, dtype: DType) -> u64 {
        (self.elements)(n as u64) * dtype.size() as u64
    }

    /// The case on one device, ready to run.
    pub(crate) fn prepare(&self, inputs: &Inputs) -> Result<Work> {
        inputs.reset()?;
        Ok((self.work)(inputs))
    }

    /// The first of these answers that is further from the CPU's than two evaluations of this case can be apart.
    pub(crate) fn difference(&self, found: &[f32], cpu: &[f32], n: usize, dtype: DType) -> Option<String> {
        if found.len() != cpu.len() {
            return Some(format!("{} elements, and {} on the CPU", found.len(), cpu.len()));
        }
        let bound = 2.0 * (self.roundings)(n as u64) as f64 * dtype.epsilon();
        // Terms are positive but for one subtraction from values of about 3, hence the floor.
        // Sums of f16 may overflow, on either device.
        let fits =
            |x: f32, y: f32| x == y || (f64::from(x) - f64::from(y)).abs() <= bound * f64::from(y.abs()).max(4.0);
        let at = found.iter().zip(cpu).position(|(&x, &y)| !fits(x, y))?;
        Some(format!("element {at} is {}, and {} on the CPU", found[at], cpu[at]))
    }
}

/// What the cases read and write. Every value lies between 0.5 and 1.5, `w` below 1.
pub(crate) struct Inputs {
    a: Tensor,
    b: Tensor,
    w: Tensor,
    m: Tensor,
    out: Tensor,
    row: Tensor,
    column: Tensor,
}

impl Inputs {
    pub(crate) fn new(device: &Device, n: usize, dtype: DType) -> Result<Self> {
        let random = |seed: u64, shape: [usize; 2], width: f32| {
            let values: Vec<f32> = (0..shape[0] * shape[1]).map(|i| 0.5 + width * unit(seed, i as u64)).collect();
            Tensor::from_slice(&values, shape, device)?.to_dtype(dtype)
        };
        Ok(Self {
            a: random(1, [n, n], 1.0)?,
            b: random(2, [n, n], 1.0)?,
            w: random(3, [n, n], 0.5)?,
            m: Tensor::zeros([n, n], dtype, device)?,
            out: Tensor::zeros([n, n], dtype, device)?,
            row: random(4, [1, n], 1.0)?,
            column: random(5, [n, 1], 1.0)?,
        })
    }

    /// Gives what the cases write a known value, so that no answer is left from another case.
    fn reset(&self) -> Result<()> {
        self.m.fill(0.25)?;
        self.out.fill(3.0)
    }
}

/// A number from 0 up to 1 that looks random: the finalizer of `SplitMix64` (Steele, Lea and Flood, 2014).
fn unit(seed: u64, index: u64) -> f32 {
    let mut z = (seed << 40 ^ index).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / (1 << 24) as f32
}

/// A case on one device.
pub(crate) enum Work {
    /// Values written into existing tensors.
    Write(Vec<(Tensor, Expr)>),
    /// A value evaluated into a new tensor.
    Value(Expr),
}

impl Work {
    fn write(target: &Tensor, value: impl Into<Expr>) -> Self {
        Self::Write(vec![(target.clone(), value.into())])
    }

    /// Does the work once. On a GPU it may not be done before the device is synchronized.
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            // The usual case, without a list to be made.
            Self::Write(targets) if targets.len() == 1 => targets[0].0.assign(&targets[0].1),
            Self::Write(targets) => assign(&targets.iter().map(|(t, e)| (t, e.clone())).collect::<Vec<_>>()),
            Self::Value(value) => value.eval().map(drop),
        }
    }

    /// Does the work once and reads the answers back.
    pub(crate) fn answers(&self) -> Result<Vec<f32>> {
        let results = match self {
            Self::Write(targets) => {
                self.run()?;
                targets.iter().map(|(t, _)| t.clone()).collect()
            }
            Self::Value(value) => vec![value.eval()?],
        };
        let mut answers = Vec::new();
        for result in results {
            answers.extend(result.to_dtype(DType::F32)?.to_vec::<f32>()?);
        }
        Ok(answers)
    }
}
