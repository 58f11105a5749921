//! Adam that changes only the rows of a table that are read.

use std::fmt;
use std::sync::Arc;

use super::Parameters;
use super::parameters::share_memory;
use super::params::require_alike;
use super::rows::{ByRows, Named};
use super::rule::{require, require_betas};
use crate::run::assign::{Update, overlap};
use crate::{Device, Error, Expr, Result, ScalarCell, Tensor};

const OP: &str = "SparseAdam";
const LOAD: &str = "load_state";

/// Adam of tables that are read by rows: `torch.optim.SparseAdam` of `torch.nn.Embedding(sparse=True)`.
///
/// A step changes the rows that the loss has read, and their moments, and touches no others: where a table is f32 or f64 and
/// contiguous, its time and memory grow with the rows read, not with the table. On a GPU, the rows are sorted besides. Of a row
/// that is read several times, gradients are added first. For a row with gradient `g`,
/// `m = m + (1 - beta1) (g - m)`, `v = v + (1 - beta2) (g² - v)`, and
/// `w = w - lr √(1 - beta2ᵗ) / (1 - beta1ᵗ) m / (√v + eps)`, where `t` counts the steps of its table.
///
/// ```
/// use hadamard::{DType, Device, Tensor, optim::SparseAdam};
/// let device = Device::cpu();
/// let table = Tensor::ones([1000, 2], DType::F32, &device)?;
/// let rows = Tensor::from_slice(&[1_i64, 3, 3], [3], &device)?;
/// let mut adam = SparseAdam::new(&[&table]).lr(0.5);
/// adam.minimize(&table.embedding(&rows).square().sum(..))?;
/// let after = table.to_vec::<f32>()?;
/// assert!(after[..2] == [1.0, 1.0] && (after[2] - 0.5).abs() < 1e-5 && (after[6] - 0.5).abs() < 1e-5);
/// # Ok::<(), hadamard::Error>(())
/// ```
///
/// There are no hooks, and no weight decay, which would change all rows. Mistakes in options come out of the first step.
pub struct SparseAdam {
    tables: Vec<Table>,
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    maximize: bool,
    /// Made ready for the loss passed last.
    ready: Option<Ready>,
}

struct Table {
    name: String,
    tensor: Tensor,
    /// The moments, once it has been read.
    moments: Option<[Tensor; 2]>,
    steps: u64,
}

/// What steps along one loss run, one after the other.
struct Ready {
    loss: Expr,
    /// The loss as it was before.
    value: Tensor,
    /// The tables that are read, each with the cell of its step size.
    tables: Vec<(usize, ScalarCell)>,
    updates: Vec<Update>,
}

impl SparseAdam {
    /// For these tables, with a learning rate of 1e-3, betas of 0.9 and 0.999 and an eps of 1e-8.
    pub fn new(parameters: impl Into<Parameters>) -> Self {
        let parts = parameters.into().blocks.into_iter().flat_map(|block| block.parts);
        let table = |(i, part): (usize, super::parameters::Part)| Table {
            name: if part.name.is_empty() { i.to_string() } else { part.name },
            tensor: part.tensor,
            moments: None,
            steps: 0,
        };
        let tables = parts.enumerate().map(table).collect();
        Self { tables, lr: 1e-3, betas: (0.9, 0.999), eps: 1e-8, maximize: false, ready: None }
    }

    /// The learning rate.
    #[must_use]
    pub fn lr(mut self, lr: f64) -> Self {
        self.lr = lr;
        self
    }

    /// How much of the moments is kept, 0.9 and 0.999.
    #[must_use]
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        (self.betas, self.ready) = ((beta1, beta2), None);
        self
    }

    /// Keeps the division from dividing by 0, 1e-8.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        (self.eps, self.ready) = (eps, None);
        self
    }

    /// Whether to go up the gradient instead of down.
    #[must_use]
    pub fn maximize(mut self, maximize: bool) -> Self {
        (self.maximize, self.ready) = (maximize, None);
        self
    }

    /// Changes the learning rate. Nothing is planned or compiled again.
    pub fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }

    /// Changes the rows that `loss`, an expression with one element, reads, along its gradient, and returns the loss as it was
    /// before. A table that the loss does not read stays as it is, and its steps are not counted.
    ///
    /// A loss is made ready at the first call, and whenever another expression is passed: build it once, of an index tensor
    /// whose contents change ([`Tensor::assign`]), where batches have one size.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for options that the optimizer does not take, a loss that reads a table in another way than by
    /// [`embedding`](Expr::embedding) or an index into its dim 0, or one that reads none; [`Error::DType`] for tables that are
    /// not floats; [`Error::Index`] for an index out of range, which on a GPU comes out of the next call that reads or waits;
    /// and as [`Expr::grad`] and [`assign`](crate::assign).
    pub fn minimize(&mut self, loss: &Expr) -> Result<Tensor> {
        self.check()?;
        if self.ready.as_ref().is_none_or(|ready| !Arc::ptr_eq(&ready.loss.0, &loss.0)) {
            self.ready = Some(self.make_ready(loss)?);
        }
        let Some(ready) = &self.ready else { unreachable!("it was just made") };
        for (table, size) in &ready.tables {
            let left = |beta: f64| 1.0 - beta.powf(self.tables[*table].steps as f64 + 1.0);
            size.set(self.lr * left(self.betas.1).sqrt() / left(self.betas.0));
        }
        ready.updates.iter().try_for_each(Update::run)?;
        ready.tables.iter().for_each(|&(table, _)| self.tables[table].steps += 1);
        Expr::from(&ready.value).eval()
    }

    fn check(&self) -> Result<()> {
        require(OP, self.lr > 0.0, "a learning rate above 0", self.lr)?;
        require_betas(OP, self.betas, self.eps)?;
        for table in &self.tables {
            if !table.tensor.dtype().is_float() {
                return Err(Error::DType { op: OP, expected: "tables of floats", found: table.tensor.dtype() });
            }
            let rank = table.tensor.shape().rank();
            require(OP, rank > 0, "tables with rows", format!("'{}' without a dim", table.name))?;
        }
        match overlap(self.tables.iter().map(|table| &table.tensor).collect::<Vec<_>>().into_iter()) {
            Some((first, second)) => Err(share_memory(OP, &self.tables[first].name, &self.tables[second].name)),
            None => Ok(()),
        }
    }

    fn make_ready(&mut self, loss: &Expr) -> Result<Ready> {
        let named: Vec<(&str, &Tensor)> = self.tables.iter().map(|t| (t.name.as_str(), &t.tensor)).collect();
        let by_rows = ByRows::new(OP, loss, &named)?;
        let gradients = by_rows.gradients(&named.iter().map(|table| table.1).collect::<Vec<_>>())?;
        let Some(&(first, ..)) = gradients.first() else {
            return Err(Error::argument(OP, "a loss that reads rows of a table", "one that reads none".to_owned()));
        };
        let device = self.tables[first].tensor.device();
        let value = Tensor::empty(OP, by_rows.loss.shape().clone(), by_rows.loss.dtype(), &device)?;
        // What is read; the loss, the rows it names, and their gradients; new rows, beside the old; and these in their places.
        let mut stages: [Vec<(Tensor, Expr)>; 3] = Default::default();
        let mut updates = Vec::new();
        stages[0].extend(by_rows.reads.iter().map(|read| (read.rows.clone(), read.from.clone())));
        stages[1].push((value.clone(), by_rows.loss.clone()));
        let (mut tables, mut places) = (Vec::new(), Vec::new());
        for (number, index, grad) in gradients {
            let table = &mut self.tables[number];
            let [m, v] = table.moments()?;
            let w = &table.tensor;
            let like = |x: &Expr| Tensor::empty(OP, x.shape().clone(), x.dtype(), &device);
            let Named { rows, sums } = Named::new(&index, &if self.maximize { -grad } else { grad });
            let (at, g) = (like(&rows)?, like(&sums)?);
            stages[1].extend([(at.clone(), rows), (g.clone(), sums)]);
            let old = |x: &Tensor| x.index_select(0, &at);
            let moved = |x: &Tensor, to: Expr, beta: f64| old(x) + (to - old(x)) * (1.0 - beta);
            let (new_m, new_v) = (moved(&m, Expr::from(&g), self.betas.0), moved(&v, g.square(), self.betas.1));
            let size = ScalarCell::new(0.0);
            let new_w = old(w) - Expr::from(&size) * &new_m / (new_v.sqrt() + self.eps);
            for (target, new) in [(w, new_w), (&m, new_m), (&v, new_v)] {
                let beside = like(&new)?;
                places.push((target.clone(), target.index_copy(0, &at, &beside)));
                stages[2].push((beside, new));
            }
            tables.push((number, size));
        }
        for stage in stages.iter().filter(|stage| !stage.is_empty()) {
            let targets: Vec<(&Tensor, Expr)> = stage.iter().map(|(target, expr)| (target, expr.clone())).collect();
            updates.push(Update::new(OP, &targets)?);
        }
        for (target, expr) in &places {
            updates.push(Update::new(OP, &[(target, expr.clone())])?);
        }
        Ok(Ready { loss: loss.clone(), value, tables, updates })
    }

    /// Everything the optimizer remembers, as named tensors: `NAME.exp_avg` and `NAME.exp_avg_sq` of each table that has been
    /// read, and `steps`, how many steps each table has taken, in f64 on the CPU.
    ///
    /// # Errors
    ///
    /// What the device reports.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let mut all = Vec::new();
        for table in &self.tables {
            if let Some([m, v]) = &table.moments {
                all.push((format!("{}.exp_avg", table.name), m.clone()));
                all.push((format!("{}.exp_avg_sq", table.name), v.clone()));
            }
        }
        let steps: Vec<f64> = self.tables.iter().map(|table| table.steps as f64).collect();
        all.push(("steps".to_owned(), Tensor::from_slice(&steps, [steps.len()], &Device::cpu())?));
        Ok(all)
    }

    /// Restores what [`state`](Self::state) returned.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if the state belongs to another optimizer or to other tables: what is missing, unknown, or of another
    /// shape or dtype. Then nothing has changed.
    pub fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let find = |name: &str| state.iter().find(|(n, _)| n == name).map(|(_, tensor)| tensor);
        let missing = |name: &str| Error::argument(LOAD, format!("the state of {OP} with '{name}'"), "none".to_owned());
        let steps = find("steps").ok_or_else(|| missing("steps"))?.to_vec::<f64>()?;
        require(LOAD, steps.len() == self.tables.len(), "steps of each table", steps.len())?;
        let (mut known, mut found) = (1, Vec::new());
        for (table, &steps) in self.tables.iter().zip(&steps) {
            let names = ["exp_avg", "exp_avg_sq"].map(|of| format!("{}.{of}", table.name));
            let given = names.each_ref().map(|name| find(name));
            let moments = match given {
                [Some(m), Some(v)] => {
                    for (name, new) in names.iter().zip([m, v]) {
                        require_alike(LOAD, &format!("'{name}' of {OP}"), &table.tensor, new)?;
                    }
                    known += 2;
                    Some([m.to_device(&table.tensor.device())?, v.to_device(&table.tensor.device())?])
                }
                [None, None] if steps == 0.0 => None,
                [m, _] => return Err(missing(&names[usize::from(m.is_some())])),
            };
            found.push((moments, steps as u64));
        }
        require(LOAD, known == state.len(), &format!("the {known} tensors of {OP}"), state.len())?;
        for (table, (moments, steps)) in self.tables.iter_mut().zip(found) {
            (table.moments, table.steps) =
                (moments.map(|m| m.map(|m| Expr::from(m).eval())).map(all).transpose()?, steps);
        }
        self.ready = None;
        Ok(())
    }
}

fn all(both: [Result<Tensor>; 2]) -> Result<[Tensor; 2]> {
    let [m, v] = both;
    Ok([m?, v?])
}

impl Table {
    /// The moments, which are 0 before the first step.
    fn moments(&mut self) -> Result<[Tensor; 2]> {
        if let Some(moments) = &self.moments {
            return Ok(moments.clone());
        }
        let zeros = || Tensor::zeros(self.tensor.shape().clone(), self.tensor.dtype(), &self.tensor.device());
        let moments = [zeros()?, zeros()?];
        self.moments = Some(moments.clone());
        Ok(moments)
    }
}

impl fmt::Debug for SparseAdam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.tables.iter().map(|table| table.name.as_str()).collect();
        f.debug_struct(OP).field("tables", &names).field("lr", &self.lr).finish_non_exhaustive()
    }
}
