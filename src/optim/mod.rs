//! Optimizers, learning-rate schedules and hooks: arithmetic on expressions, fused into one pass over each parameter.
//!
//! PyTorch's names, options and defaults; the trajectories are PyTorch's, too.
//!
//! ```
//! use hadamard::{Device, Tensor, optim::{Adam, schedule}};
//! let device = Device::cpu();
//! let w = Tensor::from_slice(&[1.0_f32, -2.0, 3.0], [3], &device)?;
//! let mut adam = Adam::new(&[&w])
//!     .lr(0.1)
//!     .schedule(schedule::cosine(100, 0.0))
//!     .grad_hook(|g| g.clamp(-1.0, 1.0)) // a gradient hook
//!     .weight_hook(|w| w.clamp(-2.0, 2.0)); // a projection of the new weights
//! for _ in 0..100 {
//!     adam.step(&[2.0 * &w])?; // the gradient of w², written out
//! }
//! assert!(w.to_vec::<f32>()?.iter().all(|w| w.abs() < 0.2));
//! # Ok::<(), hadamard::Error>(())
//! ```
//!
//! An optimizer builds its update once. A step sets the few numbers that change (the learning rate, bias
//! corrections) and runs it: nothing is planned or compiled again.
//!
//! State is kept in each parameter's dtype, as in PyTorch: for f16 and bf16 parameters that is little, and f32
//! parameters beside a cast in the loss serve better.

mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamax;
mod any;
mod asgd;
mod formula;
mod group;
mod guard;
mod hooks;
mod kept;
mod lion;
mod muon;
mod nadam;
mod one_cycle;
mod optimizer;
pub(crate) mod parameters;
pub(crate) mod params;
mod plateau;
mod radam;
mod rmsprop;
mod rows;
mod rprop;
mod rule;
pub mod schedule;
mod segment;
mod sgd;
mod sparse_adam;
mod stage;
mod state;
mod stepping;
mod tables;
mod updates;

pub use adadelta::{Adadelta, AdadeltaRule};
pub use adafactor::{Adafactor, AdafactorRule};
pub use adagrad::{Adagrad, AdagradRule};
pub use adam::{Adam, AdamRule, AdamW};
pub use adamax::{Adamax, AdamaxRule};
pub use any::{AnyOptimizer, AnyRule};
pub use asgd::{ASGD, ASGDRule};
pub use guard::LossScale;
pub use lion::{Lion, LionRule};
pub use muon::{Muon, MuonLr, MuonRule};
pub use nadam::{NAdam, NAdamRule};
pub use optimizer::Optimizer;
pub use parameters::Parameters;
pub use params::Params;
pub use radam::{RAdam, RAdamRule};
pub use rmsprop::{RMSprop, RMSpropRule};
pub use rprop::{Rprop, RpropRule};
pub use rule::Rule;
pub use sgd::{SGD, SGDRule};
pub use sparse_adam::SparseAdam;
