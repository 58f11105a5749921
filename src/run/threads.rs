//! How many threads the CPU path computes on.

use crate::{Error, Result, cpu};

/// How many threads the CPU path computes on. At first the number in the variable `HADAMARD_NUM_THREADS`, else in
/// `OMP_NUM_THREADS`, else one for each core that this process may use, by its affinity and its share of a container.
pub fn num_threads() -> usize {
    cpu::num_threads()
}

/// Has the CPU path compute on `count` threads from now on, in the whole process. Evaluations that are running go on as they
/// began. No result depends on the number. With 1, the thread that evaluates does all the work, and no other is started.
///
/// ```
/// hadamard::set_num_threads(1)?;
/// assert_eq!(hadamard::num_threads(), 1);
/// # Ok::<(), hadamard::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Argument`] if `count` is 0.
pub fn set_num_threads(count: usize) -> Result<()> {
    if count == 0 {
        return Err(Error::argument("set_num_threads", "at least 1 thread", "0"));
    }
    cpu::set_num_threads(count);
    Ok(())
}
