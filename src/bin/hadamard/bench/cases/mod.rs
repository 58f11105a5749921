//! The table of what is timed, for `hadamard bench` and for `cargo bench --bench main`.
//!
//! Names are those of benches/peers/, so that one table can hold all.

mod work;

use std::cell::RefCell;

use hadamard::optim::{Adam, SGD};
use hadamard::{DType, Result, Tensor, einsum};

pub(crate) use self::work::{Inputs, Work};

/// A piece of work over tensors of some rows and columns.
pub(crate) struct Case {
    /// A short name, for tables and filters.
    pub(crate) name: &'static str,
    /// What is written to get it.
    pub(crate) code: &'static str,
    pub(crate) limit: Limit,
    /// Elements read and written at the least: each input once, each result once.
    pub(crate) elements: fn(Size) -> usize,
    /// Roundings on the way to a result, no more: an error bound in units of ε. Nearly all terms are positive, so no
    /// cancellation makes it larger.
    roundings: fn(Size) -> usize,
    work: fn(&Inputs) -> Result<Work>,
}

/// Rows and columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Size {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// What bounds a case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Limit {
    /// As a plain copy: it writes about as much as it reads.
    Copy,
    /// As a plain dot product: it reads, and hardly writes.
    Read,
    /// Something else: arithmetic, the host, the way to the device.
    Other,
}

/// Every case.
pub(crate) const ALL: &[Case] = &[
    Case {
        name: "copy",
        code: "out.assign(&a)",
        limit: Limit::Copy,
        elements: |s| 2 * s.numel(),
        roundings: |_| 0,
        work: |x| Ok(Work::write(&x.out, &x.a)),
    },
    Case {
        name: "a*b",
        code: "out.assign(&a * &b)",
        limit: Limit::Copy,
        elements: |s| 3 * s.numel(),
        roundings: |_| 1,
        work: |x| Ok(Work::write(&x.out, &x.a * &x.b)),
    },
    Case {
        name: "a*row",
        code: "out.assign(&a * &row)",
        limit: Limit::Copy,
        elements: |s| 2 * s.numel() + s.columns,
        roundings: |_| 1,
        work: |x| Ok(Work::write(&x.out, &x.a * &x.row)),
    },
    Case {
        name: "a*column",
        code: "out.assign(&a * &column)",
        limit: Limit::Copy,
        elements: |s| 2 * s.numel() + s.rows,
        roundings: |_| 1,
        work: |x| Ok(Work::write(&x.out, &x.a * &x.column)),
    },
    Case {
        name: "a*channel",
        code: "out.assign(&a * &channel)  // [4, rows / 4, columns] by [4, 1, 1]",
        limit: Limit::Copy,
        elements: |s| 2 * s.numel() + 4,
        roundings: |_| 1,
        work: |x| {
            let planes = |t: &Tensor| t.reshape([4, x.size.rows / 4, x.size.columns]);
            let channel = x.column.narrow(0, 0, 4)?.reshape([4, 1, 1])?;
            Ok(Work::write(&planes(&x.out)?, planes(&x.a)? * channel))
        },
    },
    Case {
        name: "a*0.7",
        code: "out.assign(&a * 0.7)",
        limit: Limit::Copy,
        elements: |s| 2 * s.numel(),
        roundings: |_| 1,
        work: |x| Ok(Work::write(&x.out, &x.a * 0.7)),
    },
    Case {
        name: "a*b.T",
        code: "out.assign(&a * b.transpose(0, 1)?)",
        limit: Limit::Copy,
        elements: |s| 3 * s.numel(),
        roundings: |_| 1,
        work: |x| {
            let turned = x.b.reshape([x.size.columns, x.size.rows])?.transpose(0, 1)?;
            Ok(Work::write(&x.out, &x.a * turned))
        },
    },
    Case {
        name: "a*b, every other column",
        code: "half.assign(a.slice(1, 0, columns, 2)? * b.slice(1, 0, columns, 2)?)",
        limit: Limit::Copy,
        elements: |s| 3 * s.rows * s.columns.div_ceil(2),
        roundings: |_| 1,
        work: |x| {
            let half = |t: &Tensor| t.slice(1, 0, x.size.columns, 2);
            let out = x.out.reshape([x.size.numel()])?.narrow(0, 0, x.size.rows * x.size.columns.div_ceil(2))?;
            let out = out.reshape([x.size.rows, x.size.columns.div_ceil(2)])?;
            Ok(Work::write(&out, half(&x.a)? * half(&x.b)?))
        },
    },
    Case {
        name: "w*a+(1-w)*b",
        code: "out.assign(&w * &a + (1.0 - &w) * &b)",
        limit: Limit::Copy,
        elements: |s| 4 * s.numel(),
        roundings: |_| 4,
        work: |x| Ok(Work::write(&x.out, x.combined())),
    },
    Case {
        name: "w*a+(1-w)*b, loss and gradient",
        code: "eval_all(&[loss, loss.grad(&[&w])?.remove(0)])  // loss: the squared distance from a target",
        limit: Limit::Copy,
        elements: |s| 5 * s.numel() + 1,
        roundings: |s| s.rows + s.columns + 12,
        work: |x| {
            let loss = (x.combined() - &x.target).square().sum(..);
            let gradient = loss.grad(&[&x.w])?.remove(0);
            Ok(Work::values(vec![loss, gradient]))
        },
    },
    Case {
        name: "(a*b).sum(0)",
        code: "(&a * &b).sum(0).eval()",
        limit: Limit::Read,
        elements: |s| 2 * s.numel() + s.columns,
        roundings: |s| s.rows + 1,
        work: |x| Ok(Work::values(vec![(&x.a * &x.b).sum(0)])),
    },
    Case {
        name: "(a*b).sum(1)",
        code: "(&a * &b).sum(1).eval()",
        limit: Limit::Read,
        elements: |s| 2 * s.numel() + s.rows,
        roundings: |s| s.columns + 1,
        work: |x| Ok(Work::values(vec![(&x.a * &x.b).sum(1)])),
    },
    Case {
        name: "(a*b).sum()",
        code: "(&a * &b).sum(..).eval()",
        limit: Limit::Read,
        elements: |s| 2 * s.numel() + 1,
        // As if each row were summed and then the sums of the rows.
        roundings: |s| s.rows + s.columns + 1,
        work: |x| Ok(Work::values(vec![(&x.a * &x.b).sum(..)])),
    },
    Case {
        name: "einsum ik,ik->k",
        code: "einsum(\"ik,ik->k\", &[&a, &b]).eval()",
        limit: Limit::Read,
        elements: |s| 2 * s.numel() + s.columns,
        roundings: |s| s.rows + 1,
        work: |x| Ok(Work::values(vec![einsum("ik,ik->k", &[&x.a, &x.b])])),
    },
    Case {
        name: "sort(1)",
        code: "a.sort(1, false).0.eval()",
        limit: Limit::Other,
        elements: |s| 2 * s.numel(),
        roundings: |_| 0,
        work: |x| Ok(Work::values(vec![x.a.sort(1, false).0])),
    },
    Case {
        name: "sort, one row",
        code: "a.reshape([n])?.sort(0, false).0.eval()",
        limit: Limit::Other,
        elements: |s| 2 * s.numel(),
        roundings: |_| 0,
        work: |x| Ok(Work::values(vec![x.a.reshape([x.size.numel()])?.sort(0, false).0])),
    },
    Case {
        name: "argsort(1)",
        code: "a.argsort(1, false).eval()",
        limit: Limit::Other,
        elements: |s| 2 * s.numel(),
        roundings: |_| 0,
        work: |x| Ok(Work::values(vec![x.a.argsort(1, false)])),
    },
    Case {
        name: "topk(8, 1)",
        code: "a.topk(8, 1, true).0.eval()",
        limit: Limit::Other,
        elements: |s| s.numel() + 8 * s.rows,
        roundings: |_| 0,
        work: |x| Ok(Work::values(vec![x.a.topk(8.min(x.size.columns), 1, true).0])),
    },
    Case {
        name: "argmax(1)",
        code: "a.argmax(1).eval()",
        limit: Limit::Read,
        elements: |s| s.numel() + s.rows,
        roundings: |_| 0,
        work: |x| Ok(Work::values(vec![x.a.argmax(1)])),
    },
    Case {
        name: "cumsum(1)",
        code: "a.cumsum(1).eval()",
        limit: Limit::Copy,
        elements: |s| 2 * s.numel(),
        roundings: |s| s.columns,
        work: |x| Ok(Work::values(vec![x.a.cumsum(1)])),
    },
    Case {
        name: "a[i]",
        code: "out.assign(a.index(0, &i))  // rows in any order",
        limit: Limit::Copy,
        elements: |s| 2 * s.numel() + s.rows,
        roundings: |_| 0,
        work: |x| Ok(Work::write(&x.out, x.a.index(0, &x.rows_in_any_order()?))),
    },
    Case {
        name: "(a[i]*b).sum(1)",
        code: "(a.index(0, &i) * &b).sum(1).eval()",
        limit: Limit::Read,
        elements: |s| 2 * s.numel() + 2 * s.rows,
        roundings: |s| s.columns + 1,
        work: |x| Ok(Work::values(vec![(x.a.index(0, &x.rows_in_any_order()?) * &x.b).sum(1)])),
    },
    Case {
        name: "sgd",
        code: "SGD::new(&[&w]).step(&[&g])",
        limit: Limit::Copy,
        elements: |s| 3 * s.numel(),
        roundings: |_| 2,
        work: |x| {
            let sgd = RefCell::new(SGD::new(&[&x.out]).lr(0.01));
            let g = x.a.clone();
            Ok(Work::new(move || sgd.borrow_mut().step(&[&g]), vec![x.out.clone()]))
        },
    },
    Case {
        name: "momentum",
        code: "SGD::new(&[&w]).momentum(0.9).step(&[&g])",
        limit: Limit::Copy,
        elements: |s| 5 * s.numel(),
        roundings: |_| 4,
        work: |x| {
            let sgd = RefCell::new(SGD::new(&[&x.out]).lr(0.01).momentum(0.9));
            let g = x.a.clone();
            Ok(Work::new(move || sgd.borrow_mut().step(&[&g]), vec![x.out.clone()]))
        },
    },
    Case {
        name: "adam",
        code: "Adam::new(&[&w]).step(&[&g])",
        limit: Limit::Copy,
        elements: |s| 7 * s.numel(),
        roundings: |_| 24,
        work: |x| {
            let adam = RefCell::new(Adam::new(&[&x.out]).lr(0.01));
            let g = x.a.clone();
            Ok(Work::new(move || adam.borrow_mut().step(&[&g]), vec![x.out.clone()]))
        },
    },
    Case {
        name: "einsum ik,kj->ij, 256",
        code: "einsum(\"ik,kj->ij\", &[&a, &b]).eval()  // [256, 256], or what there is",
        limit: Limit::Other,
        elements: |s| 3 * s.corner() * s.corner(),
        roundings: |s| s.corner() + 1,
        work: |x| {
            let k = x.size.corner();
            let corner = |t: &Tensor| t.narrow(0, 0, k)?.narrow(1, 0, k);
            Ok(Work::values(vec![einsum("ik,kj->ij", &[corner(&x.a)?, corner(&x.b)?])]))
        },
    },
    Case {
        name: "100 steps of 1,024 elements",
        code: "for _ in 0..100 { x.assign(&x * 0.5 + &y)?; }",
        limit: Limit::Other,
        elements: |s| 100 * 3 * s.numel().min(1024),
        roundings: |_| 400,
        work: |x| {
            let short = |t: &Tensor| t.reshape([x.size.numel()])?.narrow(0, 0, x.size.numel().min(1024));
            let (out, y) = (short(&x.out)?, short(&x.b)?);
            let (target, step) = (out.clone(), &out * 0.5 + y);
            Ok(Work::new(move || (0..100).try_for_each(|_| target.assign(&step)), vec![out]))
        },
    },
    Case {
        name: "1,024 elements and back",
        code: "(&a * &b).eval()?.to_vec::<f32>()",
        limit: Limit::Other,
        elements: |s| 3 * s.numel().min(1024),
        roundings: |_| 1,
        work: |x| {
            let short = |t: &Tensor| t.reshape([x.size.numel()])?.narrow(0, 0, x.size.numel().min(1024));
            let product = short(&x.a)? * short(&x.b)?;
            let results = product.clone();
            let run = move || product.eval()?.to_dtype(DType::F32)?.to_vec::<f32>().map(drop);
            Ok(Work { run: Box::new(run), results: Box::new(move || Ok(vec![results.eval()?])) })
        },
    },
    Case {
        name: "upload",
        code: "Tensor::from_slice(&values, [rows, columns], &device)",
        limit: Limit::Other,
        elements: |s| s.numel(),
        roundings: |_| 0,
        work: |x| {
            let (size, device) = (x.size, x.a.device());
            // Values of any bits would do; these are the device's own, as f32 whatever the dtype.
            let values = x.a.to_dtype(DType::F32)?.to_vec::<f32>()?;
            let upload = move || Tensor::from_slice(&values, [size.rows, size.columns], &device);
            let upload = std::rc::Rc::new(upload);
            let again = upload.clone();
            Ok(Work { run: Box::new(move || upload().map(drop)), results: Box::new(move || Ok(vec![again()?])) })
        },
    },
    Case {
        name: "read back",
        code: "a.to_vec::<f32>()",
        limit: Limit::Other,
        elements: |s| s.numel(),
        roundings: |_| 0,
        work: |x| {
            let wide = x.a.to_dtype(DType::F32)?;
            let same = wide.clone();
            let run = move || wide.to_vec::<f32>().map(drop);
            Ok(Work { run: Box::new(run), results: Box::new(move || Ok(vec![same.clone()])) })
        },
    },
];

impl Size {
    pub(crate) fn square(side: usize) -> Self {
        Self { rows: side, columns: side }
    }

    pub(crate) fn numel(self) -> usize {
        self.rows * self.columns
    }

    /// Side of the square that matrix products are timed with.
    fn corner(self) -> usize {
        self.rows.min(self.columns).min(256)
    }
}

impl Case {
    /// Bytes read and written at the least.
    pub(crate) fn bytes(&self, size: Size, dtype: DType) -> u64 {
        let width = if matches!(self.name, "upload" | "read back") { 4 } else { dtype.size() };
        ((self.elements)(size) * width) as u64
    }

    /// The case on one device, ready to run.
    pub(crate) fn prepare(&self, inputs: &Inputs) -> Result<Work> {
        // So that no answer is left from another case.
        inputs.out.fill(3.0)?;
        (self.work)(inputs)
    }

    /// The first of these answers that is further from the CPU's than two evaluations of this case can be apart.
    pub(crate) fn difference(&self, found: &[f32], cpu: &[f32], size: Size, dtype: DType) -> Option<String> {
        if found.len() != cpu.len() {
            return Some(format!("{} elements, and {} on the CPU", found.len(), cpu.len()));
        }
        let bound = 2.0 * (self.roundings)(size) as f64 * dtype.epsilon();
        // Terms are positive but for one subtraction from values of about 3, hence the floor.
        // Sums of f16 may overflow, on either device.
        let fits =
            |x: f32, y: f32| x == y || (f64::from(x) - f64::from(y)).abs() <= bound * f64::from(y.abs()).max(4.0);
        let at = found.iter().zip(cpu).position(|(&x, &y)| !fits(x, y))?;
        Some(format!("element {at} is {}, and {} on the CPU", found[at], cpu[at]))
    }
}
