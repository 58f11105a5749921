//! Reading expressions from text: precedence, every function in every form, and what mistakes are told, and where.

use hadamard::{
    BinaryOp, DType, Device, Error, Expr, Index, ReduceOp, Rounding, Shape, Tensor, UnaryOp, cat, einsum, stack,
};
use proptest::prelude::*;

fn tensor(shape: impl Into<Shape>) -> Tensor {
    let shape = shape.into();
    let values: Vec<f32> = (0..shape.numel()).map(|i| i as f32 - 2.0).collect();
    Tensor::from_slice(&values, shape, &Device::cpu()).unwrap()
}

/// `a` of [3, 4], `b` of [1, 4], `c` of [4], `s` of [], `x` of [2, 3, 4], `m` of [3, 1], `i` integers and `p` bools of [4].
fn tensors() -> Vec<(&'static str, Tensor)> {
    let integers = Tensor::from_slice(&[1_i32, -2, 3, 4], [4], &Device::cpu()).unwrap();
    let bools = Tensor::from_slice(&[true, false, true, true], [4], &Device::cpu()).unwrap();
    vec![
        ("a", tensor([3, 4])),
        ("b", tensor([1, 4])),
        ("c", tensor([4])),
        ("s", tensor([0; 0])),
        ("x", tensor([2, 3, 4])),
        ("m", tensor([3, 1])),
        ("i", integers),
        ("p", bools),
    ]
}

fn parse_in(text: &str, tensors: &[(&'static str, Tensor)]) -> Result<Expr, Error> {
    let names: Vec<_> = tensors.iter().map(|(name, tensor)| (*name, tensor)).collect();
    Expr::parse(text, &names)
}

fn parse(text: &str) -> Result<Expr, Error> {
    parse_in(text, &tensors())
}

/// What two expressions are made of, the same text for the same nodes over the same kinds of tensors.
fn written(text: &str) -> String {
    match parse(text) {
        Ok(expr) => format!("{expr:?}"),
        Err(error) => panic!("{text}: {error}"),
    }
}

#[test]
fn precedence_is_pythons() {
    for (text, same) in [
        ("a + b * c", "a + (b * c)"),
        ("a - b - c", "(a - b) - c"),
        ("a / b / c", "(a / b) / c"),
        ("a * b + c * a", "(a * b) + (c * a)"),
        ("-a ** 2", "-(a ** 2)"),
        ("a ** -c", "a ** (-c)"),
        ("a ** b ** c", "a ** (b ** c)"),
        ("-a * b", "(-a) * b"),
        ("a * -b", "a * (-b)"),
        ("- - a", "a"),
        ("+a", "a"),
        ("a + b < c * a", "(a + b) < (c * a)"),
        ("(a < b) & (b < c) | p", "((a < b) & (b < c)) | p"),
        ("p | p & p", "p | (p & p)"),
        ("p | p ^ p & p", "p | (p ^ (p & p))"),
        ("~p & p", "(~p) & p"),
        ("p == p | p", "p == (p | p)"),
        ("~p == p", "(~p) == p"),
        ("1 - a.sum(0).T", "1 - ((a.sum(0)).T)"),
        ("-a.sum(0)", "-(a.sum(0))"),
        ("a * 2 ** 3", "a * 8"),
        ("a * (1 - 0.5)", "a * 0.5"),
        ("a\n  + b", "a + b"),
        ("a * 1_000", "a * 1000"),
        ("a * .5e1", "a * 5.0"),
        ("a * 1.", "a * 1.0"),
        ("a * 1E-3", "a * 0.001"),
        ("a * 7 / 2", "(a * 7) / 2"),
        ("a + 7 / 2", "a + 3.5"),
        ("a * True", "a * (1 == 1)"),
    ] {
        assert_eq!(written(text), written(same), "{text}");
    }
    assert_ne!(written("(-a) ** 2"), written("-a ** 2"));
    assert_ne!(written("(a ** b) ** c"), written("a ** b ** c"));
}

/// The expression a text must be, built by hand.
#[test]
#[allow(clippy::too_many_lines, reason = "one table of cases")]
fn every_function_in_every_form() {
    let tensors = tensors();
    let get = |name: &str| Expr::from(&tensors.iter().find(|(n, _)| *n == name).unwrap().1);
    let (a, b, c, s, x, m, i, p) = (get("a"), get("b"), get("c"), get("s"), get("x"), get("m"), get("i"), get("p"));
    let dims: &[isize] = &[0, 2];
    let cases: Vec<(&str, Expr)> = vec![
        ("where(a > b, a, b * 0.5)", Expr::select(a.gt(&b), &a, &b * 0.5)),
        ("where(condition=p, input=c, other=0)", Expr::select(&p, &c, 0)),
        ("maximum(a, other=b)", a.maximum(&b)),
        ("minimum(a, 2)", a.minimum(2)),
        ("pow(a, 0.7)", a.pow(0.7)),
        ("pow(a, exponent=c)", a.pow(&c)),
        ("add(a, b)", &a + &b),
        ("clamp(a, -0.1, 0.1)", a.clamp(-0.1, 0.1)),
        ("clamp(a, min=-0.1)", a.clamp_min(-0.1)),
        ("clamp(a, max=c)", a.minimum(&c)),
        ("arange(4) * c", Expr::arange(4) * &c),
        ("clamp(a, None, 1)", a.clamp_max(1)),
        ("clamp(a, 1, None)", a.clamp_min(1)),
        ("a.clamp(max=1, min=0)", a.clamp(0, 1)),
        ("lerp(a, b, 0.25)", a.lerp(&b, 0.25)),
        ("lerp(a, b, weight=c)", a.lerp(&b, &c)),
        ("sum(x)", x.sum(..)),
        ("sum(x, None)", x.sum(..)),
        ("sum(x, 0)", x.sum(0)),
        ("sum(x, -1)", x.sum(-1)),
        ("sum(x, [0, 2])", x.sum(dims)),
        ("sum(x, (0, 2))", x.sum(dims)),
        ("sum(x, (0,))", x.sum([0])),
        ("sum(x, dim=[0, 2,], keepdim=True)", x.sum(dims).keepdim()),
        ("sum(x, 1, True)", x.sum(1).keepdim()),
        ("sum(x, axis=1, keepdims=False)", x.sum(1)),
        ("x.sum()", x.sum(..)),
        ("x.sum((0, 2)).mean()", x.sum(dims).mean(..)),
        ("torch.sum(x, 0)", x.sum(0)),
        ("mean(a, 0)", a.mean(0)),
        ("amax(a, 1, keepdim=True)", a.amax(1).keepdim()),
        ("amin(a)", a.amin(..)),
        ("prod(a, 0)", a.prod(0)),
        ("any(p)", p.any(..)),
        ("all(a > 0, 1)", a.gt(0).all(1)),
        ("reshape(c, [2, 2])", c.reshape([2, 2])),
        ("reshape(a, [-1, 2])", a.reshape([6, 2])),
        ("reshape(a, -1)", a.reshape([12])),
        ("reshape(s, [])", s.clone()),
        ("reshape(s, ())", s.reshape(())),
        ("c.reshape(2, 2)", c.reshape([2, 2])),
        ("c.view(-1, 1, 1)", c.reshape([4, 1, 1])),
        ("x.reshape([4, -1])", x.reshape([4, 6])),
        ("permute(x, [2, 0, 1])", x.permute(&[2, 0, 1])),
        ("x.permute(2, 0, 1)", x.permute(&[2, 0, 1])),
        ("transpose(x, 0, -1)", x.transpose(0, -1)),
        ("x.transpose(dim0=1, dim1=2)", x.transpose(1, 2)),
        ("a.T", a.transpose(0, 1)),
        ("c.T", c.clone()),
        ("narrow(x, 2, 1, 2)", x.narrow(2, 1, 2)),
        ("narrow(x, dim=-1, start=0, length=0)", x.narrow(-1, 0, 0)),
        ("flip(x, 1)", x.flip(1)),
        ("flip(x, [0, -1])", x.flip(0).flip(-1)),
        ("flip(x, dims=())", x.clone()),
        ("unsqueeze(c, 0)", c.unsqueeze(0)),
        ("c.unsqueeze(-1)", c.unsqueeze(-1)),
        ("squeeze(m, 1)", m.squeeze(1)),
        ("squeeze(m)", m.reshape([3])),
        ("broadcast_to(c, [3, 4])", c.broadcast_to([3, 4])),
        ("c.broadcast_to(3, 4)", c.broadcast_to([3, 4])),
        ("cast(a, f16)", a.cast(DType::F16)),
        ("cast(i, \"f64\")", i.cast(DType::F64)),
        ("cast(a, dtype=torch.bfloat16)", a.cast(DType::BF16)),
        ("a.to(i32)", a.cast(DType::I32)),
        ("einsum(\"ik,ik->k\", a, b)", einsum("ik,ik->k", &[&a, &b])),
        ("einsum('ik,k', [a, c])", einsum("ik,k", &[&a, &c])),
        ("einsum(\"ij->ji\", a)", einsum("ij->ji", &[&a])),
        ("square(a)", a.square()),
        ("reciprocal(a)", a.reciprocal()),
        ("gelu(a)", a.gelu()),
        ("torch.special.ndtr(a)", a.ndtr()),
        ("norm(a)", a.norm(2, ..)),
        ("norm(a, 1)", a.abs().sum(..)),
        ("norm(a, dim=1, keepdim=True)", a.norm(2, 1).keepdim()),
        ("norm(a, inf, 0)", a.abs().amax(0)),
        ("dot(c, c)", (&c * &c).sum(..)),
        ("norm(a, 3)", a.norm(3, ..)),
        ("var(a)", a.var(.., 1)),
        ("a.var(0, correction=0, keepdim=True)", a.var(0, 0).keepdim()),
        ("std(a, dim=[0, 1])", a.std([0, 1], 1)),
        ("softmax(a, 1)", a.softmax(1)),
        ("a.log_softmax(dim=-1)", a.log_softmax(-1)),
        ("logsumexp(a, [0], keepdim=True)", a.logsumexp(0).keepdim()),
        ("cosine_similarity(a, b)", a.cosine_similarity(&b, 1, 1e-8)),
        ("F.cosine_similarity(a, b, dim=0, eps=0.5)", a.cosine_similarity(&b, 0, 0.5)),
        ("layer_norm(a, [4], weight=4 + 0, eps=0.5)", a.layer_norm(-1, 0.5) * 4),
        ("~p", p.logical_not()),
        ("p & (c > 0)", p.logical_and(c.gt(0))),
        ("p | p", p.logical_or(&p)),
        ("p ^ (c > 0)", p.ne(c.gt(0))),
        ("i & 6 | i ^ ~i", i.bitwise_and(6).bitwise_or(i.bitwise_xor(i.bitwise_not()))),
        ("i << 2 >> i", i.bitwise_left_shift(2).bitwise_right_shift(&i)),
        ("i << 1 + 1", i.bitwise_left_shift(2)),
        ("a // b % 3", a.floor_divide(&b).remainder(3)),
        ("7 // 2 * a", 3 * &a),
        ("-7 % 3 * a", 2 * &a),
        ("7 % -3 * a", -2 * &a),
        ("div(a, b)", &a / &b),
        ("div(a, b, rounding_mode='floor')", a.floor_divide(&b)),
        ("div(a, 2, rounding_mode=\"trunc\")", a.div_rounded(2, Rounding::Trunc)),
        ("round(a, decimals=2)", a.round_to(2)),
        ("gelu(a, approximate='tanh')", a.gelu_tanh()),
        ("silu(a) + a.elu(alpha=2) + elu(a)", a.silu() + a.elu(2.0) + a.elu(1.0)),
        ("softplus(a, beta=2)", a.softplus(2.0, 20.0)),
        ("hardtanh(a, max_val=3)", a.hardtanh(-1, 3)),
        ("logit(a, eps=0.1) + logit(a)", a.logit(Some(0.1)) + a.logit(None)),
        ("nan_to_num(a, posinf=1)", a.nan_to_num(None, Some(1.0), None)),
        ("addcmul(a, a, b, value=0.5)", a.addcmul(&a, &b, 0.5)),
        ("addcdiv(a, a, b)", a.addcdiv(&a, &b, 1)),
        ("masked_fill(a, a > 0, -1.0)", a.masked_fill(a.gt(0), -1.0)),
        ("count_nonzero(i)", i.count_nonzero(..)),
        ("nansum(a, 1, keepdim=True)", a.nansum(1).keepdim()),
        ("nanmean(a)", a.nanmean(..)),
        ("zeros_like(a) + full_like(a, 2.5)", a.zeros_like() + a.full_like(2.5)),
        ("max(a) + a.min()", a.amax(..) + a.amin(..)),
        ("max(a, b)", a.maximum(&b)),
        ("clip(a, -1, 1)", a.clamp(-1, 1)),
        ("tril(a) + a.triu(diagonal=1)", a.tril(0) + a.triu(1)),
        ("a @ a.T @ a", a.matmul(a.transpose(0, 1)).matmul(&a)),
        ("a * a @ c", (&a * &a).matmul(&c)),
        ("matmul(a, c) + mv(a, c)", a.matmul(&c) + a.mv(&c)),
        ("outer(c, c)", c.outer(&c)),
        ("float('nan') * a + a.float()", f64::NAN * &a + &a),
        ("a.half()", a.cast(DType::F16)),
        ("c * pi", &c * std::f64::consts::PI),
        ("c * -inf", &c * f64::NEG_INFINITY),
        ("-s", -&s),
        // Indices.
        ("a[0]", a.at(0)),
        ("a[-1, 2]", a.at((-1, 2))),
        ("x[:, 1:]", x.at((.., 1..))),
        ("x[::2, 1:-1]", x.at((Index::step(.., 2), Index::slice(1, -1)))),
        ("x[..., None]", x.at((Index::Ellipsis, Index::NewAxis))),
        ("x[np.newaxis, :, None:None, :2]", x.at((Index::NewAxis, .., .., ..2))),
        ("x[1:, None, 2:,]", x.at((1.., Index::NewAxis, 2..))),
        ("x[-2:][0][1 + 1:3]", x.at(-2..).at(0).at(2..3)),
        ("-c[1] ** 2", -c.at(1).square()),
        ("(a * 2)[0].sum()", (&a * 2).at(0).sum(..)),
        ("sum(a[1:] - a[:-1], 0)", (a.at(1..) - a.at(..-1)).sum(0)),
        ("a[-9223372036854775807:9223372036854775807]", a.clone()),
        // Joining and rearranging.
        ("cat([a, b])", cat(&[&a, &b], 0)),
        ("torch.cat((a, b * 2), dim=-2)", cat(&[a.clone(), &b * 2], 0)),
        ("np.concatenate([a, a], axis=1)", cat(&[&a, &a], 1)),
        ("stack([c, c], -1)", stack(&[&c, &c], -1)),
        ("hstack([c, s])", cat(&[c.clone(), s.unsqueeze(0)], 0)),
        ("hstack([a, m])", cat(&[&a, &m], 1)),
        ("vstack([a, c])", cat(&[a.clone(), c.unsqueeze(0)], 0)),
        ("tile(a, (2, 1))", a.tile(&[2, 1])),
        ("np.tile(c, 3)", c.tile(&[3])),
        ("c.repeat(2, 1)", c.tile(&[2, 1])),
        ("np.repeat(a, 2, axis=0)", a.repeat_interleave(2, 0)),
        ("a.repeat_interleave(2)", a.reshape([12]).repeat_interleave(2, 0)),
        ("roll(a, 1, 0)", a.roll(1, 0)),
        ("roll(a, (1, -1), (0, 1))", a.roll(1, 0).roll(-1, 1)),
        ("roll(a, 1)", a.reshape([12]).roll(1, 0).reshape([3, 4])),
        ("diff(a)", a.diff(1, -1)),
        ("np.diff(a, n=2, axis=1)", a.diff(2, 1)),
        ("diff(c, prepend=c[:1], append=c[-1:])", cat(&[c.at(..1), c.clone(), c.at(-1..)], 0).diff(1, 0)),
        ("movedim(x, 0, 2)", x.movedim(0, 2)),
        ("np.moveaxis(x, [0, 1], [2, 0])", x.permute(&[1, 2, 0])),
        ("x.swapaxes(0, 1)", x.transpose(0, 1)),
        ("np.transpose(x, (2, 0, 1))", x.permute(&[2, 0, 1])),
        ("diagonal(a)", a.diagonal(0, 0, 1)),
        ("x.diagonal(1, dim1=-2, dim2=-1)", x.diagonal(1, -2, -1)),
        ("flatten(x, 1)", x.flatten(1, -1)),
        ("x.ravel()", x.flatten(0, -1)),
        ("c.expand(3, -1)", c.broadcast_to([3, 4])),
        ("x.select(1, -1)", x.at((.., -1))),
        ("a.t()", a.transpose(0, 1)),
        ("x * x.shape[-1]", &x * 4),
        ("layer_norm(x, x.shape[1:])", x.layer_norm([1, 2], 1e-5)),
        ("x / x.size(0) + x.numel() - x.ndim", &x / 2 + 24 - 3),
        ("np.expand_dims(c, 0)", c.unsqueeze(0)),
        // Conversions.
        ("i.float()", i.cast(DType::F32)),
        ("a.half() + a.bfloat16()", a.cast(DType::F16) + a.cast(DType::BF16)),
        ("a.long() * a.int()", a.cast(DType::I64) * a.cast(DType::I32)),
        ("a.bool()", a.cast(DType::Bool)),
        ("i.to(a.dtype)", i.cast(DType::F32)),
        ("i.type_as(a)", i.cast(DType::F32)),
        ("i.to(dtype=torch.float)", i.cast(DType::F32)),
        ("i.to(torch.int).type(float)", i.cast(DType::F64)),
        ("a.astype(int)", a.cast(DType::I64)),
        ("a.astype('i4')", a.cast(DType::I32)),
        ("a.astype('q')", a.cast(DType::I64)),
        ("a.astype('byte')", a.cast(DType::I8)),
        ("a.byte()", a.cast(DType::U8)),
        ("a.astype('<f8')", a.cast(DType::F64)),
        ("a.astype(np.float16)", a.cast(DType::F16)),
        ("a.contiguous()", a.clone()),
        // Modules, aliases, keywords.
        ("torch.nn.functional.relu(a)", a.relu()),
        ("F.gelu(a) + nn.functional.gelu(a)", a.gelu() + a.gelu()),
        ("torch.special.expit(a)", a.sigmoid()),
        ("numpy.absolute(a)", a.abs()),
        ("arctan2(a, b)", a.atan2(&b)),
        ("np.power(a, 2)", a.square()),
        ("np.less_equal(a, b)", a.le(&b)),
        ("np.max(a, axis=0)", a.amax(0)),
        ("torch.linalg.vector_norm(a, ord=1)", a.norm(1, ..)),
        ("a * math.pi + a * e", &a * std::f64::consts::PI + &a * std::f64::consts::E),
        ("add(a, b, alpha=2)", &a + &b * 2),
        ("a.sub(b, alpha=c)", &a - &b * &c),
        ("sum(a, 0, dtype=f64)", a.cast(DType::F64).sum(0).cast(DType::F64)),
        ("i.sum(dtype=torch.int32, keepdim=True)", i.sum(..).cast(DType::I32).keepdim()),
        ("mean(i, dtype=torch.float32)", i.cast(DType::F32).mean(..).cast(DType::F32)),
        ("a.var(0, unbiased=False)", a.var(0, 0)),
        ("a.std(unbiased=True)", a.std(.., 1)),
        ("np.std(a)", a.std(.., 0)),
        ("np.var(a, axis=0, ddof=1)", a.var(0, 1)),
        ("i * 0xFF + 0b101 - 0o17", &i * 255 + 5 - 15),
        ("a + # the first\n b # and the last", &a + &b),
    ];
    for (text, want) in cases {
        assert!(want.error().is_none(), "{text}: {want:?}");
        match parse_in(text, &tensors) {
            Ok(found) => assert_eq!(format!("{found:?}"), format!("{want:?}"), "{text}"),
            Err(error) => panic!("{text}: {error}"),
        }
    }
    for op in UnaryOp::ALL {
        let want = format!("{:?}", a.unary(op));
        for text in [format!("{}(a)", op.name()), format!("a.{}()", op.name()), format!("{}(input=a)", op.name())] {
            assert_eq!(format!("{:?}", parse_in(&text, &tensors).unwrap()), want, "{text}");
        }
    }
    for op in BinaryOp::ALL {
        // Some are of integers alone.
        let of_floats = a.binary(op, &b);
        let (x, y, want) =
            if of_floats.error().is_none() { ("a", "b", of_floats) } else { ("i", "i", i.binary(op, &i)) };
        assert!(want.error().is_none(), "{op:?}");
        let want = format!("{want:?}");
        for text in [format!("{}({x}, {y})", op.name()), format!("{x}.{}({y})", op.name())] {
            assert_eq!(format!("{:?}", parse_in(&text, &tensors).unwrap()), want, "{text}");
        }
    }
    for op in ReduceOp::ALL {
        let want = format!("{:?}", a.reduce(op, 1).keepdim());
        for text in [format!("{}(a, 1, True)", op.name()), format!("a.{}(dim=1, keepdim=True)", op.name())] {
            assert_eq!(format!("{:?}", parse_in(&text, &tensors).unwrap()), want, "{text}");
        }
    }
}

#[test]
fn names_may_stand_for_numbers_and_expressions() {
    let x = Tensor::from_slice(&[1_u8, 2], [2], &Device::cpu()).unwrap();
    let names = [("x", Expr::from(&x)), ("lr", 0.5.into()), ("n", 3.into()), ("y", &x * 2)];
    assert_eq!(Expr::parse_with("x * n", &names).unwrap().dtype(), DType::U8, "a number is weak");
    assert_eq!(Expr::parse_with("x * lr", &names).unwrap().dtype(), DType::F32);
    assert_eq!(Expr::parse_with("y + x", &names).unwrap().shape().dims(), [2]);
    // A name given wins over the language's own.
    let own = [("f16", &x), ("pi", &x), ("sum", &x), ("torch", &x)];
    for text in ["f16", "pi * 1", "sum", "torch", "sum(sum)"] {
        assert_eq!(Expr::parse(text, &own).unwrap().error().map(ToString::to_string), None, "{text}");
    }
}

/// The text, the column of the mistake, and words its message has.
#[test]
#[allow(clippy::too_many_lines, reason = "one table of cases")]
fn mistakes_are_told_where_they_are() {
    let mut wrong = Vec::new();
    for (text, column, words) in [
        ("", 1, "found nothing"),
        ("   ", 4, "found nothing"),
        ("a * (", 6, "expected a value, found the end"),
        ("a *", 4, "expected a value, found the end"),
        ("a b", 3, "expected an operator or the end, found 'b'"),
        ("a)", 2, "found ')'"),
        ("(a", 3, "expected ')' or an operator"),
        ("[a", 3, "',' or ']'"),
        ("sum(a", 6, "',' or ')'"),
        ("sum(a 0)", 7, "found a number"),
        ("a * missing", 5, "unknown name 'missing' (known: a, b, c"),
        ("a + aa", 5, "did you mean 'a'?"),
        ("nosuch(a)", 1, "unknown function 'nosuch' (there are abs, "),
        ("a + sigmod(a)", 5, "did you mean 'sigmoid'?"),
        ("a.smu(0)", 3, "did you mean 'sum'?"),
        ("a.grad", 3, "unknown attribute 'grad'"),
        ("a + sum", 5, "call it, sum(…)"),
        ("a(b)", 2, "'a' is a tensor"),
        ("a $ b", 3, "unexpected character '$'"),
        ("é * a", 1, "unknown name 'é'"),
        ("a * ✓", 5, "unexpected character"),
        ("i // 0", 3, "floor_divide: expected a divisor that is not 0"),
        ("a * (5 % 0)", 8, "remainder: expected a divisor that is not 0"),
        ("a @ s", 3, "at least one dim"),
        ("a @ a", 3, "as many columns on the left as rows on the right"),
        ("a @ i", 3, "one dtype"),
        ("mm(a, c)", 1, "two matrices"),
        ("outer(a, c)", 1, "two vectors"),
        ("tril(c)", 1, "at least two dims"),
        ("max(a, 1)", 8, "write amax(input, dim)"),
        ("masked_fill(i, p, 0.5)", 1, "a number that i32 holds"),
        ("div(a, 2, rounding_mode=\"up\")", 25, "floor"),
        ("gelu(a, approximate=\"sigmoid\")", 21, "tanh"),
        ("round(a, decimals=0.5)", 19, "an integer"),
        ("float(\"two\")", 7, "found \"two\""),
        ("nextafter(i, 1)", 1, "f32 or f64"),
        ("a and b", 3, "write '&'"),
        ("p or p", 3, "write '|'"),
        ("not p", 1, "write '~'"),
        ("a if p else b", 3, "write where"),
        ("!p", 1, "write '~'"),
        ("a < b < c", 7, "do not chain"),
        ("a == b != c", 8, "do not chain"),
        ("einsum(\"ik", 8, "has no end"),
        ("einsum('ik\n', a)", 8, "has no end"),
        ("1.5.2", 4, "found a number"),
        ("1x", 1, "'1x' is no number"),
        ("a * 0x1g", 5, "'0x1g' is no number of base 16"),
        ("a * 0b12", 5, "base 2"),
        ("a * 0x", 5, "is no number of base 16"),
        ("a * 0x1__0", 5, "underscore"),
        ("a * 0xffffffffffffffffff", 5, "beyond 64 bits"),
        ("a * 1__0", 5, "underscore"),
        ("a * 1_", 5, "underscore"),
        ("a * 007", 5, "does not begin with 0"),
        ("a * 9223372036854775808", 5, "beyond 64 bits"),
        ("a * (9223372036854775807 + 1)", 26, "a result within 64 bits"),
        ("a * 10 ** 30", 8, "a result within 64 bits"),
        ("a * (-9223372036854775807 - 2)", 27, "a result within 64 bits"),
        ("i + 2 ** 31", 3, "add: expected a number in the range of i32 (-2147483648 to 2147483647), found 2147483648"),
        ("where(p, i, 3000000000)", 1, "found 3000000000"),
        ("i ** -2", 3, "pow: expected an exponent of at least 0"),
        ("x * c * a.sum(1)", 7, "mul: shapes [2, 3, 4] and [3] do not broadcast"),
        ("a + b * x.sum(2)", 7, "mul: shapes [1, 4] and [2, 3] do not broadcast"),
        ("maximum(a, x.sum(2))", 1, "maximum: shapes"),
        ("1 + sum(a, 2)", 5, "dim 2 is out of range"),
        ("sum(a, [0, 0])", 1, "each dim once"),
        ("a + a.permute(0)", 7, "permute"),
        ("reshape(a, [5, 2])", 1, "reshape"),
        ("reshape(a, [-1, -1])", 1, "no size for -1"),
        ("reshape(a, [-1, 5])", 1, "no size for -1"),
        ("reshape(a, [-2, 6])", 12, "-2 is no size"),
        ("narrow(a, 0, 2, 2)", 1, "narrow"),
        ("narrow(a, 0, -1, 2)", 14, "-1 is below 0"),
        ("flip(a, [0, 0])", 1, "each dim once"),
        ("mean(i)", 1, "expected a float"),
        ("norm(i)", 1, "expected a float"),
        ("norm(a, c)", 9, "a number"),
        ("layer_norm(a, [5])", 15, "the last dims"),
        ("softmax(i, 0)", 1, "expected a float"),
        ("dot(a, a)", 1, "one dim"),
        ("-p", 1, "neg"),
        ("a & b", 3, "integers or bools"),
        ("a << 1", 3, "integers or bools"),
        ("p >> p", 3, "integers (cast a bool first)"),
        ("~a", 1, "integers or bools"),
        ("where(a, a, b)", 1, "a bool condition"),
        ("einsum(\"ik,ik->k\", a, x)", 1, "einsum"),
        ("einsum(a, b)", 8, "einsum expects an equation such as"),
        ("einsum(\"i,i\", c, \"c\")", 18, "einsum expects a tensor here, found text"),
        ("sum()", 1, "sum needs 'input': sum(input, dim=None, keepdim=None, *, dtype=None)"),
        ("where(p)", 1, "write where(condition, input, other)"),
        ("where(p, a)", 1, "write where(condition, input, other)"),
        ("maximum(a)", 1, "maximum needs 'other'"),
        ("exp(a, b)", 8, "exp takes at most 1 argument"),
        ("sum(a, 0, True, 1)", 17, "at most 3 arguments"),
        ("sum(a, keepdim=1)", 16, "True or False"),
        ("sum(a, keep=True)", 8, "no parameter 'keep'"),
        ("sum(a, keepdin=True)", 8, "did you mean 'keepdim'?"),
        ("sum(a, dim=0, dim=1)", 15, "'dim' twice"),
        ("sum(a, input=a)", 8, "'input' twice"),
        ("sum(dim=0, a)", 12, "after one by keyword"),
        ("sum(a, 0.5)", 8, "sum expects an integer here, found a number"),
        ("sum(a, True)", 8, "an integer"),
        ("sum(a, c)", 8, "an integer"),
        ("sum(a, [0, None])", 12, "found None"),
        ("reshape(a, 3, 4)", 15, "at most 2 arguments"),
        ("cast(a, f8)", 9, "unknown name 'f8'"),
        ("cast(a, \"f8\")", 9, "unknown dtype 'f8'"),
        ("cast(a, 3)", 9, "expects a dtype"),
        ("clamp(a)", 1, "min, max or both"),
        ("exp([a])", 5, "exp expects a tensor or a number here, found a list"),
        ("a + [1]", 5, "found a list"),
        ("a + f16", 5, "found a dtype"),
        ("\"text\"", 1, "found text"),
        ("None", 1, "found None"),
        ("a.where(p, b)", 3, "not a method"),
        ("x.T", 3, "T is for matrices"),
        ("a.", 3, "expected a method"),
        ("a = b", 3, "found '='"),
        ("a[1:3] = b", 8, "an expression writes nothing"),
        ("a : b", 3, "found ':'"),
        ("a, b", 2, "found ','"),
        ("torch.nosuch(a)", 7, "unknown function"),
        ("torch.nosuch", 7, "unknown name 'nosuch'"),
        ("np.sum", 4, "call it, sum(…)"),
        ("torch.(a)", 7, "expected a name, found '('"),
        ("torch.linalg.norm(a)", 14, "another norm"),
        // Indices.
        ("a[3]", 2, "index: expected -3 to 2 for dim 0 of shape [3, 4], whose size is 3, found 3"),
        ("a[0, -5]", 2, "dim 1 of shape [3, 4], whose size is 4, found -5"),
        ("a[0, 1, 2]", 2, "at most 2 integers and slices for shape [3, 4], found [0, 1, 2]"),
        ("a[..., ...]", 2, "one '...' at most"),
        ("a[::-1]", 5, "a step is at least 1, found -1: flip(x, dim)"),
        ("a[::0]", 5, "at least 1, found 0"),
        ("a[9223372036854775807]", 2, "found 9223372036854775807"),
        ("a[-9223372036854775807 - 1]", 2, "found -9223372036854775808"),
        ("a[]", 3, "expected an index, found ']'"),
        ("a[0", 4, "',', ':' or ']'"),
        ("a[0:1:2:3]", 8, "',', ':' or ']'"),
        ("a[0.5]", 3, "found a number that is none"),
        ("a[True]", 3, "found a number that is none"),
        ("a[f16]", 3, "found a dtype"),
        ("a[[0, 1]]", 3, "brackets of its own"),
        ("a[0:c]", 5, "from one integer to another, found a tensor"),
        ("a[a > 0]", 3, "write where(mask, x, 0)"),
        ("a[c]", 3, "a tensor as an index is of integers, found f32"),
        ("a[cast(i, u8)]", 3, "write where(mask, x, 0)"),
        ("a[i, i, i]", 2, "at most 2 integers and slices"),
        ("a[i[0:3], i]", 2, "index: shapes [3] and [4] do not broadcast"),
        ("a.shape[i]", 8, "an index of a list is an integer or a slice, found a tensor"),
        ("gather(a, 0, i)", 1, "gather: expected an index with 2 dims"),
        ("index_select(a, 0, c)", 1, "index_select: expected an index of i8, i16, i32 or i64"),
        ("index_add(a, 0, i, c)", 1, "index_add: expected a source of shape [4, 4]"),
        ("2[0]", 2, "at most 0"),
        ("'a'[0]", 4, "an index is for tensors, found text"),
        ("a.shape[2]", 8, "whose size is 2"),
        ("a.shape[0, 1]", 8, "one integer or slice"),
        ("a.shape[None]", 8, "an integer or a slice"),
        // Joining and rearranging.
        ("cat(a, 0)", 5, "cat expects a list of tensors here, found a tensor"),
        ("cat([a, 0:1])", 10, "',' or ']'"),
        ("cat([a, f16])", 9, "cat expects a tensor here, found a dtype"),
        ("cat([a, c])", 1, "cat: expected parts whose shapes agree but for dim 0, found [3, 4] and [4]"),
        ("cat([a, 1])", 1, "cat: expected tensors, found a number"),
        ("cat([])", 1, "at least one part"),
        ("stack([a, c], 0)", 1, "stack: expected parts of one shape"),
        ("x.repeat(2)", 10, "repeat expects a number for each of the 3 dims of [2, 3, 4]"),
        ("roll(a, [1, 2], [0])", 9, "a shift for each of 1 dims, found 2"),
        ("roll(a, 1, 2)", 1, "roll: dim 2 is out of range"),
        ("movedim(x, [0, 1], 0)", 20, "a destination for each of 2 dims, found 1"),
        ("movedim(x, [0, 0], [1, 2])", 1, "permute"),
        ("movedim(x, 3, 0)", 1, "movedim: dim 3"),
        ("c.expand(-1, 4)", 10, "-1 is no size"),
        ("diff(a, 9)", 1, "at most 8"),
        ("x.t()", 3, "T is for matrices"),
        // Other names.
        ("a.float(0)", 9, "float takes no argument"),
        ("a.astype('f16')", 10, "128 bits"),
        ("a.astype('z')", 10, "unknown dtype 'z'"),
        ("sum(a, 0, False, f64)", 18, "at most 3 arguments"),
        ("add(a, b, 2)", 11, "at most 2 arguments: add(input, other, *, alpha=None)"),
        ("add(a, b, out=c)", 11, "assign it"),
        ("mse_loss(a, b)", 1, "'mse_loss' is not in the language: write square(a - b).mean()"),
        ("a.unique()", 3, "its shape depends on values"),
        ("F.linear(x, w)", 13, "unknown name 'w'"),
        ("cross_entropy(p, a, reduction='batchmean')", 31, "reduction=\"mean\", \"sum\" or \"none\""),
        // A name near another's is no answer where it has a meaning of its own, nor is one two letters off.
        ("glu(a)", 1, "'glu' is not in the language"),
        ("mode(a)", 1, "'mode' is not in the language"),
        ("sigmd(a)", 1, "unknown function 'sigmd' (there are"),
        // Precedence.
        ("a > 1 & a < 3", 7, "put the comparisons in parentheses, (a > 1) & (a < 3)"),
        ("c & a > 1", 3, "'&' binds tighter than a comparison"),
        ("sum(c, 0) | (a > 1) == p", 11, "'|' binds tighter than a comparison"),
        ("p == p & p == p", 12, "'&' binds tighter than a comparison"),
        ("p == (p & p) == p", 14, "do not chain"),
        ("where(p, c & i, c > 1)", 12, "bitwise_and: expected integers or bools, found f32"),
        ("a * # b", 8, "expected a value, found the end"),
        ("a +\n\n$", 6, "unexpected character"),
    ] {
        match parse(text) {
            Ok(expr) => wrong.push(format!("{text:?} was read as {expr:?}")),
            Err(Error::Parse { column: found, message, text: echo }) => {
                if (found, message.contains(words)) != (column, true) {
                    wrong.push(format!("{text:?}: column {found}, not {column}: {message}"));
                }
                assert_eq!(echo.chars().count(), text.chars().count());
                assert!(!echo.contains(['\n', '\t']));
            }
            Err(other) => wrong.push(format!("{text:?}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_caret_stands_below_the_mistake() {
    let error = parse("a *\tmissing").unwrap_err().to_string();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines[1], "  a * missing");
    assert_eq!(lines[2].find('^'), lines[1].find("missing"));
}

#[test]
fn hostile_text_is_an_error_not_an_overflow() {
    let deep = 1 << 16;
    for text in [
        "(".repeat(deep),
        "[".repeat(deep),
        "-".repeat(deep),
        "~".repeat(deep),
        "sum(".repeat(deep),
        "a**".repeat(deep),
        "einsum([".repeat(deep),
        "a[".repeat(deep),
        "cat([".repeat(deep),
        format!("{}a{}", "(".repeat(200), ")".repeat(200)),
    ] {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains("levels deep"), "{}", &error[..80]);
    }
    assert!(parse(&format!("{}a{}", "exp(".repeat(100), ")".repeat(100))).is_ok());
    // Long is not deep.
    assert!(parse(&vec!["a"; deep].join(" + ")).is_ok());
    assert!(parse(&format!("a{}", ".exp()".repeat(deep))).is_ok());
    assert!(parse(&"9".repeat(deep)).is_err());
    assert!(parse(&format!("a{}", "[:]".repeat(deep))).is_ok());
    assert!(parse(&format!("a[{}]", "None,".repeat(deep))).is_err());
    assert!(parse(&format!("a{}", "[None]".repeat(deep))).is_err());
    assert!(parse(&format!("a * 0x{}", "f".repeat(deep))).is_err());
    assert!(parse(&"#".repeat(deep)).is_err());
    assert!(parse(&format!("{}a & c", "a & ".repeat(deep))).is_err());
    assert!(parse("tile(a, [9223372036854775807, 9223372036854775807])").is_err());
    assert!(parse("repeat_interleave(a, 9223372036854775807)").is_err());
    assert!(parse("roll(a, -9223372036854775807 - 1, 0)").is_ok());
    assert!(parse("diagonal(a, -9223372036854775807 - 1)").is_ok());
    assert!(parse(&format!("a * 1e{}", "9".repeat(deep))).is_ok(), "infinity, as in Python");
    assert!(parse(&format!("a * 0.{}1", "0".repeat(deep))).is_ok());
    assert!(parse(&"x".repeat(deep)).is_err());
    assert!(parse("reshape(a, [9223372036854775807, 9223372036854775807, -1])").is_err());
    assert!(parse("reshape(a, [1, 1, 1, 1, 1, 1, 1, 3, 4])").is_err());
    assert!(parse("broadcast_to(s, [9223372036854775807, 9223372036854775807])").is_err());
    assert!(parse("narrow(a, 0, 9223372036854775807, 9223372036854775807)").is_err());
    assert!(parse("unsqueeze(a, -9223372036854775807)").is_err());
    assert!(parse("sum(a, -9223372036854775807 - 1)").is_err());
    assert!(parse("a * (-9223372036854775807 - 1) ** 1").is_ok());
    assert!(parse("-(-9223372036854775807 - 1) * a").is_err());
}

/// Text that looks like an expression more often than not.
fn soup() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "a",
        "b",
        "x",
        "i",
        "p",
        "s",
        "1",
        "0",
        "-1",
        "0.5",
        "1e400",
        "inf",
        "nan",
        "True",
        "None",
        "f16",
        "bool",
        "+",
        "-",
        "*",
        "/",
        "**",
        "<",
        "==",
        "&",
        "|",
        "^",
        "~",
        "(",
        "(",
        ")",
        ")",
        "[",
        "]",
        ",",
        ",",
        ".",
        "=",
        "dim=",
        "keepdim=",
        "\"ij->i\"",
        "'",
        "sum(",
        "mean(",
        "amax(",
        "reshape(",
        "permute(",
        "einsum(",
        "where(",
        "clamp(",
        "cast(",
        "pow(",
        "narrow(",
        "flip(",
        "[1:",
        "[::2, ",
        "[0]",
        "...",
        ":",
        "cat([",
        "stack([",
        "roll(",
        "diff(",
        "tile(",
        "movedim(",
        "diagonal(",
        ".shape",
        ".float()",
        "np.",
        "0x1f",
        "#",
        "squeeze(",
        "unsqueeze(",
        "broadcast_to(",
        "transpose(",
        "norm(",
        "dot(",
        "var(",
        "softmax(",
        "layer_norm(",
        "exp(",
        ".T",
        ".sum(",
        ".view(",
        "torch.",
        "9223372036854775807",
        " ",
    ];
    prop::collection::vec(prop::sample::select(WORDS), 0..24).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in ".{0,40}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_soup_panics(text in soup()) {
        if let Err(error) = parse(&text) {
            let Error::Parse { column, .. } = error else { panic!("{error:?}") };
            prop_assert!((1..=text.chars().count() + 1).contains(&column));
        }
    }
}

#[test]
fn names_in_a_text_are_those_that_are_looked_up() {
    for (text, names) in [
        ("sum(w * a, dim=0).sqrt() + w.T", &["w", "a"][..]),
        ("x.where(m, torch.inf) + cast(y, f16)", &["x", "m", "torch", "y", "f16"]),
        ("einsum('ij,jk->ik', a, b)", &["a", "b"]),
        ("sum(sum)", &["sum"]),
        ("sum(x, 0, True) + F.T[None]", &["x", "F"]),
        ("a + 1.5e3 - größe", &["a", "größe"]),
        ("a + 'open", &["a"]),
        ("", &[]),
    ] {
        assert_eq!(Expr::names_in(text), names, "{text}");
    }
}
