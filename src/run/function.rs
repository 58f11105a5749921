//! Texts as functions: compiled once, called with whatever their names stand for.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use smallvec::SmallVec;

use super::assign::{Update, write_beside};
use super::compiled::{Compiled, Place, check_exact, places, result};
use super::eval::mismatch;
use super::forms::{Forms, Found};
use crate::expr::{Asks, asks, has_meaning};
use crate::{DType, Device, Error, Expr, Result, Scalar, Shape, Tensor};

/// What a name of a [`Function`] stands for in a call.
#[derive(Clone, Debug)]
pub enum Operand {
    /// A tensor.
    Tensor(Tensor),
    /// A number, weak as in expressions.
    Number(Scalar),
}

impl From<&Tensor> for Operand {
    fn from(tensor: &Tensor) -> Self {
        Self::Tensor(tensor.clone())
    }
}

impl From<Tensor> for Operand {
    fn from(tensor: Tensor) -> Self {
        Self::Tensor(tensor)
    }
}

impl<T: Into<Scalar>> From<T> for Operand {
    fn from(number: T) -> Self {
        Self::Number(number.into())
    }
}

impl From<&Operand> for Expr {
    fn from(operand: &Operand) -> Self {
        match operand {
            Operand::Tensor(tensor) => tensor.into(),
            Operand::Number(number) => (*number).into(),
        }
    }
}

impl Operand {
    pub(super) fn tensor(&self) -> Option<&Tensor> {
        match self {
            Self::Tensor(tensor) => Some(tensor),
            Self::Number(_) => None,
        }
    }
}

/// One or several expressions in text, as [`Expr::parse`] reads them, as a function of the names in them.
///
/// A call reads the text and plans its evaluation once for tensors of the same dtypes, shapes and strides, wherever they
/// lie: a call with others of that form only computes. So do other floats in place of a number; other integers, which may
/// be exponents or dims, are another form. A form that is new costs some tens of microseconds on the CPU for a short text.
/// The last 256 forms are kept. Any number of threads may call at once.
///
/// A text that asks of sizes no more than which are 1 and which are the same (operators, elementwise functions, sums, means,
/// products, extremes, norms, softmax) is read and planned once for all shapes of the same ranks that agree in this: operands
/// of a new shape cost about a microsecond more than those of a known one. Indices, variances and whatever else asks for sizes
/// make each shape a form of its own. So does a GPU, whose plans are for one shape each.
///
/// ```
/// use hadamard::{Device, Function, Tensor};
/// let blend = Function::new("w * a + (1 - w) * b")?;
/// assert_eq!(blend.names(), ["w", "a", "b"]);
/// let device = Device::cpu();
/// for i in 0..3 {
///     let a = Tensor::from_slice(&[i as f32, 2.0], [2], &device)?;
///     let b = Tensor::from_slice(&[4.0_f32, 4.0], [2], &device)?;
///     let result = blend.call(&[0.5.into(), a.into(), b.into()])?;
///     assert_eq!(result.to_vec::<f32>()?, [2.0 + 0.5 * i as f32, 3.0]);
/// }
/// # Ok::<(), hadamard::Error>(())
/// ```
pub struct Function {
    texts: Vec<String>,
    /// What is asked of the first expression, if not its value and that of all others.
    gradient: Option<Gradient>,
    names: Vec<String>,
    kept: Mutex<Forms>,
}

/// Gradients of an expression.
#[derive(Debug)]
struct Gradient {
    /// The numbers of the names they are with respect to.
    wrt: Vec<usize>,
    /// Whether the expression itself comes before them.
    value: bool,
}

impl Function {
    /// The function of one expression.
    ///
    /// What is wrong with a text as such comes from the calls: what its names stand for decides on much of it.
    ///
    /// # Errors
    ///
    /// [`Error::Parse`] if there is nothing in the text.
    pub fn new(text: &str) -> Result<Self> {
        Self::all(&[text])
    }

    /// The function of several expressions, evaluated together: what they share is read and computed once. Its
    /// [`names`](Self::names) are those of all, each once.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn all(texts: &[&str]) -> Result<Self> {
        let mut names: Vec<String> = Vec::new();
        for text in texts {
            if text.trim().is_empty() {
                let message = "expected an expression, found nothing".to_owned();
                return Err(Error::Parse { text: (*text).to_owned(), column: 1, message });
            }
            for name in Expr::names_in(text) {
                if !names.iter().any(|known| known == name) && !has_meaning(name) {
                    names.push(name.to_owned());
                }
            }
        }
        let forms = Forms::new(texts.iter().map(|text| asks(text)).max().unwrap_or(Asks::Sizes));
        let texts = texts.iter().map(|&text| text.to_owned()).collect();
        Ok(Self { texts, gradient: None, names, kept: Mutex::new(forms) })
    }

    /// The same function of operands in this order, of which some may be `pi`, `e`, `float32`, `F` or other words that
    /// without this have a meaning of their own.
    ///
    /// ```
    /// use hadamard::Function;
    /// let product = Function::new("d * e")?.of(&["e", "d"]);
    /// assert_eq!(product.call(&[2.0.into(), 3.0.into()])?.item::<f32>()?, 6.0);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn of(mut self, names: &[&str]) -> Self {
        self.names = names.iter().map(|&name| name.to_owned()).collect();
        // The order of what was compiled is another.
        let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
        *kept = kept.emptied();
        self
    }

    /// The function whose results are the gradients of this one's first, which has one element, with respect to each of
    /// `wrt`, in their order.
    ///
    /// ```
    /// use hadamard::{Device, Function, Tensor};
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0], [2], &Device::cpu())?;
    /// let slope = Function::new("sum(x * x * a)")?.grad(&["x"])?;
    /// assert_eq!(slope.call(&[x.into(), 3.0.into()])?.to_vec::<f32>()?, [6.0, 12.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if the text has no such name, or if none is given.
    pub fn grad(&self, wrt: &[&str]) -> Result<Self> {
        self.gradients("grad", wrt, false)
    }

    /// As [`grad`](Self::grad), with the first result of this function before the gradients.
    ///
    /// # Errors
    ///
    /// As [`grad`](Self::grad).
    pub fn value_and_grad(&self, wrt: &[&str]) -> Result<Self> {
        self.gradients("value_and_grad", wrt, true)
    }

    fn gradients(&self, op: &'static str, wrt: &[&str], value: bool) -> Result<Self> {
        let number = |name: &&str| {
            let expected = || format!("a name of the text ({})", self.names.join(", "));
            self.names
                .iter()
                .position(|n| n == name)
                .ok_or_else(|| Error::argument(op, expected(), format!("'{name}'")))
        };
        if wrt.is_empty() {
            return Err(Error::argument(op, "the names of tensors", "none"));
        }
        if self.gradient.is_some() {
            return Err(Error::argument(op, "a function of values", "one of gradients"));
        }
        let gradient = Some(Gradient { wrt: wrt.iter().map(number).collect::<Result<_>>()?, value });
        let kept = Mutex::new(Forms::new(Asks::Sizes));
        Ok(Self { texts: self.texts[..1].to_vec(), gradient, names: self.names.clone(), kept })
    }

    /// The names in the text, in the order in which a call takes what they stand for: as they first occur.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The expressions.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// How many results a call has.
    pub fn results(&self) -> usize {
        self.gradient.as_ref().map_or(self.texts.len(), |of| of.wrt.len() + usize::from(of.value))
    }

    /// The first result for some operands, in a new tensor.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] unless there is an operand for each name, and as [`Expr::parse`] and [`Expr::eval`].
    pub fn call(&self, operands: &[Operand]) -> Result<Tensor> {
        self.call_all(operands, None).map(|mut results| results.swap_remove(0))
    }

    /// All results for some operands, in new tensors: on the operands' device, or where there are no tensors among them
    /// on `device`, else the CPU.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call); [`Error::DeviceMismatch`] if an operand is not on `device`.
    pub fn call_all(&self, operands: &[Operand], device: Option<&Device>) -> Result<Vec<Tensor>> {
        const OP: &str = "call";
        let device = self.device(OP, operands, device)?;
        let mut compiled = self.take(OP, operands, &[], &device, false)?;
        let new = |(shape, dtype): &(Shape, DType)| Tensor::empty(OP, shape.clone(), *dtype, &device);
        let results = compiled.results.iter().map(new).collect::<Result<Vec<_>>>()?;
        compiled.run(OP, operands, &results, &device)?;
        self.keep(compiled);
        Ok(results)
    }

    /// Writes the results into `targets`, in place, as [`assign`](crate::assign()) does: each is broadcast to the shape of
    /// its target and converted to its dtype. Operands may be targets or share memory with them: results are those of
    /// the old values.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] unless there is a target for each result, and as [`call`](Self::call) and
    /// [`assign`](crate::assign()).
    pub fn assign(&self, targets: &[&Tensor], operands: &[Operand]) -> Result<()> {
        self.write("assign", targets, operands, false)
    }

    /// As [`assign`](Self::assign), of targets that have the shapes and dtypes of the results: nothing is broadcast or
    /// converted.
    ///
    /// # Errors
    ///
    /// As [`assign`](Self::assign); [`Error::Argument`] for a target of another shape or dtype.
    pub fn call_into(&self, targets: &[&Tensor], operands: &[Operand]) -> Result<()> {
        self.write("call_into", targets, operands, true)
    }

    fn write(&self, op: &'static str, targets: &[&Tensor], operands: &[Operand], exact: bool) -> Result<()> {
        if targets.len() != self.results() {
            let expected = format!("{} targets, one for each result", self.results());
            return Err(Error::argument(op, expected, targets.len().to_string()));
        }
        let device = self.device(op, operands, Some(&targets[0].device()))?;
        Update::check_targets(op, targets, &device)?;
        let mut compiled = self.take(op, operands, targets, &device, exact)?;
        if exact {
            check_exact(op, &compiled.results, targets)?;
        }
        let into: SmallVec<[Tensor; 2]> = targets.iter().map(|&target| target.clone()).collect();
        if compiled.may_write(operands, targets) {
            compiled.run(op, operands, &into, &device)?;
        } else {
            write_beside(op, &device, &into, |parts| compiled.run(op, operands, parts, &device))?;
        }
        self.keep(compiled);
        Ok(())
    }

    /// The results as expressions of some operands, to be explained or built upon.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn exprs(&self, operands: &[Operand]) -> Result<Vec<Expr>> {
        const OP: &str = "exprs";
        self.device(OP, operands, None)?;
        let tensors: Vec<_> = operands.iter().map(Operand::tensor).collect();
        let exprs: Vec<Expr> = operands.iter().map(Expr::from).collect();
        self.build(&exprs, &tensors)
    }

    /// The one device of operands and of whoever else is asked.
    fn device(&self, op: &'static str, operands: &[Operand], device: Option<&Device>) -> Result<Device> {
        if operands.len() != self.names.len() {
            let expected = format!("{} operands ({})", self.names.len(), self.names.join(", "));
            return Err(Error::argument(op, expected, operands.len().to_string()));
        }
        let mut found = device.cloned();
        for tensor in operands.iter().filter_map(Operand::tensor) {
            match &found {
                None => found = Some(tensor.device()),
                Some(device) if device.backend().owns(tensor.storage()) => {}
                Some(device) => return Err(mismatch(op, device, &tensor.device())),
            }
        }
        Ok(found.unwrap_or_else(Device::cpu))
    }

    /// The results of what the names stand for.
    fn build(&self, operands: &[Expr], tensors: &[Option<&Tensor>]) -> Result<Vec<Expr>> {
        let named: Vec<(&str, Expr)> = self.names.iter().map(String::as_str).zip(operands.iter().cloned()).collect();
        let exprs = self.texts.iter().map(|text| Expr::parse_with(text, &named)).collect::<Result<Vec<_>>>()?;
        let Some(gradient) = &self.gradient else { return Ok(exprs) };
        let tensor = |&i: &usize| {
            tensors[i].ok_or_else(|| Error::argument("grad", format!("a tensor for '{}'", self.names[i]), "a number"))
        };
        let mut gradients = exprs[0].grad(&gradient.wrt.iter().map(tensor).collect::<Result<Vec<_>>>()?)?;
        if gradient.value {
            gradients.insert(0, exprs[0].clone());
        }
        Ok(gradients)
    }

    /// Takes what was compiled for operands and targets of this form out of what is kept, or compiles it.
    fn take(
        &self,
        op: &'static str,
        operands: &[Operand],
        targets: &[&Tensor],
        device: &Device,
        exact: bool,
    ) -> Result<Box<Compiled>> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept().take(operands, targets, device);
        match found {
            Found::Same(compiled) => return Ok(compiled),
            Found::Like(mut compiled, sizes) => {
                compiled.resize(&sizes, operands, targets);
                return Ok(compiled);
            }
            Found::Nothing => {}
        }
        let kind = kept().kind(operands, targets);
        // A float in a cell may be another at the next call. Where a text needs to know the number, it stays.
        let compile = |cells: bool| {
            let (places, exprs) = places(op, operands, device, cells)?;
            let exprs = self.build(&exprs, &places.iter().map(Place::tensor).collect::<Vec<_>>())?;
            if exact {
                check_exact(op, &exprs.iter().map(result).collect::<Vec<_>>(), targets)?;
            }
            Compiled::new(op, places, &exprs, kind, targets, device)
        };
        match compile(true) {
            Err(_) if operands.iter().any(|o| matches!(o, Operand::Number(Scalar::Float(_)))) => compile(false),
            result => result,
        }
        .map(Box::new)
    }

    /// Keeps what was compiled as what was used last.
    fn keep(&self, compiled: Box<Compiled>) {
        let oldest = self.kept.lock().unwrap_or_else(PoisonError::into_inner).keep(compiled);
        // Not while others wait for the lock.
        drop(oldest);
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Function");
        out.field("texts", &self.texts).field("gradient", &self.gradient).finish_non_exhaustive()
    }
}
