//! The table of operations: one variant and one row each, from which everything else that must know them follows.
//!
//! A variant, in [`unary`], [`binary`] or [`reduce`], says what documentation needs: PyTorch's name, the parameters, what
//! comes back, and how far a result may be from the exact one. Its [`Row`] says the rest: the dtypes, the meaning, the
//! gradient, the error bound, the WGSL, and where to try it. Neither has defaults, so an operation that lacks something
//! does not compile.
//!
//! The methods of `Expr` and `Tensor`, the parser's functions, the cases and measurements of `hadamard check`, the
//! reference, both engines and the tests read the table. To add an operation, add a variant and a row; where WGSL has
//! no such function, or none accurate enough, add its formula to `shaders/lib/`.

mod binary;
mod division;
mod functions;
mod hyperbolic;
mod integer;
mod normal;
mod reduce;
mod row;
mod scan;
mod special;
mod trig;
mod unary;
mod whole;

pub(crate) use binary::BinaryBound;
pub use binary::BinaryOp;
pub use reduce::ReduceOp;
pub(crate) use row::{DTypeRule, Draw, Form, Integers, Logic, Row, Wgsl};
pub use scan::ScanOp;
pub(crate) use unary::UnaryBound;
pub use unary::UnaryOp;
pub(crate) use whole::Integer;

/// Makes the enum of some operations from the list of its variants, and what follows from the list alone: `ALL`, the
/// names, parameters and error bounds, and the methods of `Expr` and `Tensor`.
///
/// A variant reads `Variant = method name(parameters after the first), ulp;`. An `operator` has no method: Rust's
/// operator makes it. `ulp` is `exact`, or the largest error on any device in units in the last place; of a reduction,
/// `sum` or `product`.
macro_rules! listed {
    (
        $(#[$meta:meta])*
        pub enum $Op:ident by $apply:ident {$(
            $(#[doc = $doc:literal])+
            $variant:ident = $call:ident $name:ident($($param:ident),*), $ulp:tt;
        )+}
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $Op {$(
            #[doc = concat!("`", stringify!($name), "`:", $($doc, "\n",)+ "\n", listed!(@error $ulp))]
            $variant,
        )+}

        impl $Op {
            /// Every one of them, in the order of the table.
            pub const ALL: [Self; [$(stringify!($name)),+].len()] = [$(Self::$variant),+];

            /// PyTorch's name.
            pub const fn name(self) -> &'static str {
                match self {$(
                    Self::$variant => stringify!($name),
                )+}
            }

            /// The names of its parameters, as PyTorch has them.
            pub(crate) const fn params(self) -> &'static [&'static str] {
                match self {$(
                    Self::$variant => &["input" $(, stringify!($param))*],
                )+}
            }

        }

        listed! { @ulps $apply $Op {$($variant $ulp,)+} }
        $(listed! { @$call $Op::$variant, $apply, $name($($param),*), concat!($($doc, "\n",)+) })+
    };
    (@ulps reduce $($rest:tt)*) => {};
    (@ulps $apply:ident $Op:ident {$($variant:ident $ulp:tt,)+}) => {
        impl $Op {
            /// The largest error of a result on any device, in units in the last place; 0 where results are exact.
            /// `hadamard check` measures it.
            pub const fn ulp(self) -> f64 {
                match self {$(
                    Self::$variant => listed!(@ulp $ulp),
                )+}
            }
        }
    };
    (@ulp exact) => { 0.0 };
    (@ulp $ulp:literal) => { $ulp };
    (@error exact) => { "Exact." };
    (@error sum) => { "Within `2 n ε Σ|terms|` for n terms, where ε is half a unit in the last place of 1." };
    (@error product) => { "Within 2 n units in the last place for n factors, while no partial product leaves the range." };
    (@error $ulp:literal) => { concat!("Within ", $ulp, " units in the last place.") };
    (@operator $Op:ident::$variant:ident, $($rest:tt)*) => {};
    // The dims, and what becomes of them, are told of every reduction alike.
    (@method ReduceOp::$variant:ident, $apply:ident, $name:ident($dim:ident, $keepdim:ident), $doc:expr) => {
        listed! {
            @on Expr, Tensor, $name(dims: Dims), ReduceOp::$variant, $apply,
            concat!(
                $doc,
                "\n\n`dims` is one dim, several, or all (`..`); negative dims count from the last. The result does not ",
                "have them; see [`keepdim`](Expr::keepdim).",
            )
        }
    };
    (@method $Op:ident::$variant:ident, $apply:ident, $name:ident($($param:ident),*), $doc:expr) => {
        listed! { @on Expr, Tensor, $name($($param: Expr),*), $Op::$variant, $apply, $doc }
    };
    (@on Expr, Tensor, $name:ident($($param:ident: $ty:ty),*), $op:expr, $apply:ident, $doc:expr) => {
        impl Expr {
            #[doc = $doc]
            #[must_use]
            pub fn $name(&self $(, $param: impl Into<$ty>)*) -> Self {
                self.$apply($op $(, $param)*)
            }
        }

        impl Tensor {
            #[doc = $doc]
            #[must_use]
            pub fn $name(&self $(, $param: impl Into<$ty>)*) -> Expr {
                Expr::from(self).$name($($param),*)
            }
        }
    };
}
use listed;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_operations_have_one_name() {
        let names: std::collections::HashSet<_> = UnaryOp::ALL
            .iter()
            .map(|op| op.name())
            .chain(BinaryOp::ALL.iter().map(|op| op.name()))
            .chain(ReduceOp::ALL.iter().map(|op| op.name()))
            .collect();
        assert_eq!(names.len(), UnaryOp::ALL.len() + BinaryOp::ALL.len() + ReduceOp::ALL.len());
    }

    /// A row names the files of its functions by hand.
    #[test]
    fn the_files_of_a_row_define_what_it_calls() {
        let unary = UnaryOp::ALL.map(|op| (op.name(), &op.row().wgsl));
        let binary = BinaryOp::ALL.map(|op| (op.name(), &op.row().wgsl));
        for (name, wgsl) in unary.into_iter().chain(binary) {
            for (form, suffix) in [(wgsl.f32, "f"), (wgsl.f64, "f64")] {
                let defined = wgsl.files.iter().any(|file| file.contains(&format!("\nfn {name}_{suffix}(")));
                assert_eq!(defined, matches!(form, Form::Call), "{name}_{suffix}");
            }
        }
    }

    /// Where a meaning is measured or tried, it must have a value.
    #[test]
    fn the_domain_of_a_row_is_where_its_meaning_has_a_value() {
        let inside = |(low, high): (f64, f64)| {
            [0.01, 0.3, 0.6, 0.9].map(|t| low.max(-5.0) + t * (high.min(5.0) - low.max(-5.0)))
        };
        for op in UnaryOp::ALL {
            for x in inside(op.domain()) {
                assert!(!op.apply(x).is_nan(), "{}({x})", op.name());
            }
        }
        for op in BinaryOp::ALL {
            let [first, second] = op.domain();
            for (a, b) in inside(first).into_iter().flat_map(|a| inside(second).map(|b| (a, b))) {
                assert!(!op.apply(a, b).is_nan(), "{}({a}, {b})", op.name());
            }
        }
    }
}
