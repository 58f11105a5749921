//! What evaluating an expression will do: the passes, the bytes each must move, and its WGSL.

use std::fmt;

use crate::base::info::size;
use crate::expr::graph::Graph;
use crate::kernel::{self, Caps, Memory, Plan, Target};
use crate::run::eval::require_on;
use crate::{Device, Expr, Result};

/// The passes an evaluation takes, as [`Expr::explain`] found them. Printing it is the point; the fields are for
/// tools and tests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The device it was planned for.
    pub device: String,
    /// The expressions made flat, as every backend receives them: one value a line, arguments first. `b0[3·i + j]` is
    /// an element of one of the tensors, `out0` the first result.
    pub graph: String,
    /// The passes in order.
    pub passes: Vec<Pass>,
}

/// One kernel launch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pass {
    /// `map`, `reduce_outer`, `reduce_inner`, `reduce_rows`, `contract` or `contract_registers`, after the file in `shaders/`.
    pub kernel: &'static str,
    /// Workgroups launched, and invocations in each.
    pub workgroups: (u64, u32),
    /// Bytes that must move between memory and the processor: each element read or written, counted once.
    pub bytes: u64,
    /// Buffers it reads only, and buffers it writes.
    pub buffers: (usize, usize),
    /// The part of the WGSL that is particular to this pass.
    pub prelude: String,
    /// The whole WGSL.
    pub wgsl: String,
}

impl Explanation {
    /// Bytes that all passes together must move.
    pub fn bytes(&self) -> u64 {
        self.passes.iter().map(|p| p.bytes).sum()
    }
}

impl Expr {
    /// Says what evaluating this expression takes, without evaluating it.
    ///
    /// The plan is for the GPU its tensors are on. Where they are on the CPU, which has no kernels, it is the plan of
    /// a GPU with WebGPU's default limits.
    ///
    /// ```
    /// use hadamard::{DType, Device, Tensor};
    /// let device = Device::cpu();
    /// let (a, b) = (Tensor::ones([64, 32], DType::F32, &device)?, Tensor::ones([32], DType::F32, &device)?);
    /// let explanation = (&a * &b).sum(1).explain()?;
    /// assert_eq!(explanation.passes.len(), 1);
    /// println!("{explanation}");
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The mistake the expression carries, or a limit of the device that it exceeds.
    pub fn explain(&self) -> Result<Explanation> {
        explain_all(std::slice::from_ref(self))
    }

    /// Says what evaluating the expression on a device takes, by [`eval_on`](Self::eval_on).
    ///
    /// # Errors
    ///
    /// As [`explain`](Self::explain); [`Error::DeviceMismatch`](crate::Error::DeviceMismatch) if it reads tensors of
    /// another device.
    pub fn explain_on(&self, device: &Device) -> Result<Explanation> {
        let exprs = std::slice::from_ref(self);
        let graph = graph_of(exprs)?;
        require_on("explain_on", &graph, device)?;
        explain_graph(exprs, &graph, device)
    }
}

/// Says what evaluating several expressions together, by [`eval_all`](crate::eval_all), takes.
///
/// ```
/// use hadamard::{DType, Device, Tensor, explain_all};
/// let device = Device::cpu();
/// let (a, w) = (Tensor::ones([64, 32], DType::F32, &device)?, Tensor::ones([], DType::F32, &device)?);
/// let loss = (&a * &w - 2).square().mean(..);
/// let grad = loss.grad(&[&w])?.remove(0);
/// assert_eq!(explain_all(&[loss, grad])?.passes.len(), 1); // `a` is read once
/// # Ok::<(), hadamard::Error>(())
/// ```
///
/// # Errors
///
/// As [`Expr::explain`].
pub fn explain_all<E: Clone + Into<Expr>>(exprs: &[E]) -> Result<Explanation> {
    let exprs: Vec<Expr> = exprs.iter().map(|e| e.clone().into()).collect();
    let graph = graph_of(&exprs)?;
    let device = graph.buffers.first().map_or_else(Device::cpu, |(storage, _)| Device::of(storage));
    explain_graph(&exprs, &graph, &device)
}

fn graph_of(exprs: &[Expr]) -> Result<Graph> {
    Graph::new(&exprs.iter().map(|e| (e, e.dtype())).collect::<Vec<_>>())
}

fn explain_graph(exprs: &[Expr], graph: &Graph, device: &Device) -> Result<Explanation> {
    let (caps, name) = match device.backend().caps() {
        Some(caps) => (caps, device.to_string()),
        None => (Caps::webgpu(), "a GPU with WebGPU's default limits (the tensors are on the CPU)".to_owned()),
    };
    let target = |(i, e): (usize, &Expr)| Target::contiguous(Memory::Target(i), e.shape().clone(), e.dtype());
    let targets: Vec<Target> = exprs.iter().enumerate().map(target).collect();
    let Plan { launches, .. } = kernel::plan("explain", graph, &targets, &caps)?;
    let passes = launches
        .iter()
        .map(|launch| Pass {
            kernel: launch.spec.kernel.name(),
            workgroups: (u64::from(launch.grid.x) * u64::from(launch.grid.y), launch.spec.workgroup),
            bytes: launch.bytes,
            buffers: (
                launch.spec.bindings.iter().filter(|b| !b.write).count(),
                launch.spec.bindings.iter().filter(|b| b.write).count(),
            ),
            prelude: kernel::prelude(&launch.spec),
            wgsl: kernel::source(&launch.spec),
        })
        .collect();
    Ok(Explanation { device: name, graph: graph.to_string(), passes })
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passes = self.passes.len();
        writeln!(
            f,
            "{passes} {} over memory, {}, on {}",
            plural(passes, "pass", "passes"),
            size(self.bytes()),
            self.device
        )?;
        for (i, pass) in self.passes.iter().enumerate() {
            let (workgroups, of) = pass.workgroups;
            let (reads, writes) = pass.buffers;
            write!(f, "\npass {}: {}, moves {}, ", i + 1, pass.kernel, size(pass.bytes))?;
            write!(f, "reads {reads} {}, writes {writes}; ", plural(reads, "buffer", "buffers"))?;
            writeln!(f, "{workgroups} {} of {of}", plural(workgroups as usize, "workgroup", "workgroups"))?;
            for line in pass.prelude.trim_end().lines() {
                writeln!(f, "{}{line}", if line.is_empty() { "" } else { "    " })?;
            }
            writeln!(f, "    // then shaders/{}.wgsl and what it needs of shaders/lib", pass.kernel)?;
        }
        Ok(())
    }
}

fn plural<'a>(n: usize, one: &'a str, many: &'a str) -> &'a str {
    if n == 1 { one } else { many }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Device, Tensor};

    #[test]
    fn a_product_that_is_summed_is_never_stored() {
        let device = Device::cpu();
        let a = Tensor::ones([256, 128], DType::F32, &device).unwrap();
        let b = Tensor::ones([128], DType::F32, &device).unwrap();
        for expr in [(&a * &b).sum(0), (&a * &b).sum(1), (&a * &b).sum(..) * 2.0 + 1.0] {
            let explanation = expr.explain().unwrap();
            let stores_product = explanation.passes.iter().any(|p| p.bytes > 256 * 128 * 4 + 128 * 4 * 33);
            assert!(explanation.passes.len() <= 2 && !stores_product, "{explanation}");
        }
        assert_eq!((&a * &b).exp().explain().unwrap().passes.len(), 1);
    }
}
