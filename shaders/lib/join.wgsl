// lib/join.wgsl
//
// One result after the other joins those before it, each with what its rounding leaves out, which is added up beside it and
// put back in the end (Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen", 1974). So the
// rounding error does not grow with the number of steps.
//
// From the prelude: ROUNDS (whether anything reduced is a sum of floats), Terms (what is being reduced, several values if
// several reductions share the pass), combine(), left_out() and corrected().

// What a lane has reduced so far, and what was left out of sums.
struct Lane {
    total: Terms,
    rest: Terms,
}

fn join(lane: Lane, terms: Terms) -> Lane {
    let total = combine(lane.total, terms);
    if ROUNDS {
        return Lane(total, combine(lane.rest, left_out(lane.total, terms, total)));
    }
    return Lane(total, lane.rest);
}

fn joined(lane: Lane) -> Terms {
    if ROUNDS {
        return corrected(lane.total, lane.rest);
    }
    return lane.total;
}
