"""Dynamic time warping of a video onto a gold (Sakoe & Chiba 1978), with its path.

A cell of the recurrence waits for the cell on its left, so a row by row loop is bound by the latency of one
addition and one comparison per cell. Cells on a diagonal do not wait for each other. The matrix is therefore
swept in strips of 16 rows, of which each lags behind the one above: in every step, each row advances by one
column, all at once in vectors of eight lanes. Costs are kept only while they are needed (two columns of each
row and the last row of a strip); what is stored is two bits per cell, which say where its path came from.

LLVM does not find this in loops, so the sweep of a strip is built as LLVM code of generic vectors, which it
lowers to what the processor has. Every cost is the same sum of the same two doubles as in the plain loop, so
costs and paths are those of the plain loop, bit by bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

Features: TypeAlias = npt.NDArray[np.float32]
Distances: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.int64]


def warp_path(gold: Features, trainee: Features) -> tuple[Indices, Indices, float]:
    """The cheapest monotone path between unit vectors (m, D) and (n, D): gold and trainee indices (p,) and
    the cost divided by the path's length.

    The cost of a pair is its cosine distance. Ties go to the diagonal, then to the gold, then to the trainee.
    """
    distance = 1.0 - np.clip(gold.astype(np.float64) @ trainee.T.astype(np.float64), -1.0, 1.0)
    gold_path, trainee_path, total = cheapest_path(distance)
    return gold_path, trainee_path, total / len(gold_path)


def cheapest_path(distance: Distances) -> tuple[Indices, Indices, float]:
    """The monotone path with the smallest sum of ``distance`` (m, n), finite numbers, from one corner to the
    other: gold and trainee indices (p,) and the sum.

    Ties go to the diagonal, then to the gold, then to the trainee. `ValueError` for a matrix without cells.
    """
    if distance.ndim != 2 or distance.size == 0:
        raise ValueError(f"distance: expected a matrix with rows and columns, found shape {distance.shape}.")
    gold_path, trainee_path, total = _cheapest(np.ascontiguousarray(distance, dtype=np.float64))
    return gold_path, trainee_path, float(total)


LANES: Final = 8
ROWS: Final = 16
"""Two rows for each lane: rows 2r and 2r + 1 of a strip are lane r of two vectors."""
LAST_LAG: Final = 22
"""Row q of a strip lags q + q // 2 columns behind the first: one more per lane than it must, so that passing
a value on to the next lane, which is slow, has a step's time.
"""
STATE_VECTORS: Final = 5
ROOMY: Final = LAST_LAG + 2 * LANES
"""Columns from which on a read beyond a row's end stays within the next row."""

_F64, _I64, _I32 = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
_COSTS, _HALF = ir.VectorType(_F64, LANES), ir.VectorType(_F64, LANES // 2)
_WORDS = ir.VectorType(_I64, LANES)
_CODES = ir.VectorType(_I32, LANES)


@numba.njit(cache=True)
def _cheapest(distance):  # type: ignore[no-untyped-def]
    m, n = distance.shape
    strips = (m + ROWS - 1) // ROWS
    tiles = (n + LAST_LAG + LANES - 1) // LANES
    codes = np.empty((strips, tiles, LANES), dtype=np.uint32)
    # the costs of the row above a strip; column j stands at LAST_LAG + 1 + j
    edge = np.full(LAST_LAG + (tiles + 2) * LANES, np.inf)
    edge[LAST_LAG] = 0.0
    state = np.empty(STATE_VECTORS * LANES)
    for strip in range(strips):
        state[:] = np.inf
        state[2 * LANES] = edge[LAST_LAG]
        state[4 * LANES] = edge[LAST_LAG + 1]
        row = strip * ROWS
        # cells beside the matrix never reach those inside, so what is read there does not matter, but must be
        # ours to read
        free = 0
        if n >= ROOMY and row + ROWS <= m:
            free = tiles if row + ROWS < m else n // LANES
        if free > 0:
            _sweep_freely(distance, row, 0, free, edge, state, codes[strip])  # type: ignore[call-arg]
        if free < tiles:
            _sweep_guarded(distance, row, free, tiles, edge, state, codes[strip])  # type: ignore[call-arg]
    return _trace(distance, codes)


@numba.njit(cache=True)
def _trace(distance, codes):  # type: ignore[no-untyped-def]
    m, n = distance.shape
    gold = np.empty(m + n - 1, dtype=np.int64)
    trainee = np.empty(m + n - 1, dtype=np.int64)
    i, j, place = m - 1, n - 1, m + n - 2
    while i > 0 and j > 0:
        gold[place] = i
        trainee[place] = j
        place -= 1
        row = i & 15
        step = j + row + (row >> 1)
        code = np.int64(codes[i >> 4, step >> 3, row >> 1]) >> ((row & 1) << 4 | (step & 7) << 1)
        from_left = code >> 1 & 1
        from_above = code & ~from_left & 1
        i -= 1 - from_left
        j -= 1 - from_above
    while i > 0 or j > 0:
        gold[place] = i
        trainee[place] = j
        place -= 1
        i = max(i - 1, 0)
        j = max(j - 1, 0)
    gold[place], trainee[place] = 0, 0
    total = 0.0
    for index in range(place, m + n - 1):
        total += distance[gold[index], trainee[index]]
    return gold[place:], trainee[place:], total


class _Emitter:
    """Emits the sweep of tiles of one strip.

    Arguments of the emitted code: distance (m, n), the strip's first row, the first tile and the one after
    the last, edge, state (40) and codes (tiles, 8). A tile is eight steps. In step k, row q of the strip
    reaches column k - q - q // 2. The costs of the step before are ``left``; ``diagonal`` is what was above
    in the step before; ``late`` is what lane 0 gets from the edge and each other lane from the lane before.
    """

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> None:
        self.builder = builder
        distance, edge, state, codes = (
            context.make_array(signature.args[place])(context, builder, arguments[place])
            for place in (0, 4, 5, 6)
        )
        self.distance, self.edge, self.state, self.codes = distance.data, edge.data, state.data, codes.data
        row, self.first, self.stop = arguments[1:4]
        rows = builder.extract_value(distance.shape, 0)
        self.columns = builder.extract_value(distance.shape, 1)
        self.rows_left = builder.sub(rows, row)
        self.origin = builder.mul(row, self.columns)

    def sweep(self, *, guarded: bool) -> None:
        """The loop over tiles. A tile's distances are read a tile ahead, before the results of the tile in
        hand are stored: reads behind stores whose values are not known yet would wait for them.
        """
        builder = self.builder
        carried = [self.read(self.state, _i64(LANES * index)) for index in range(STATE_VECTORS)]
        carried += self.distances(self.first, guarded=guarded)
        before, loop, done = (
            builder.block,
            builder.append_basic_block("tiles"),
            builder.append_basic_block("swept"),
        )
        builder.branch(loop)
        builder.position_at_end(loop)
        tile = builder.phi(_I64)
        current = [builder.phi(_COSTS) for _ in carried]
        following = builder.add(tile, _i64(1))
        more = builder.icmp_signed("<", following, self.stop)
        ahead = self.distances(builder.select(more, following, tile), guarded=guarded)
        state = self.tile(tile, current[:STATE_VECTORS], current[STATE_VECTORS:])
        for phi, initial, value in zip(
            [tile, *current], [self.first, *carried], [following, *state, *ahead], strict=True
        ):
            phi.add_incoming(initial, before)
            phi.add_incoming(value, builder.block)
        builder.cbranch(more, loop, done)
        builder.position_at_end(done)
        for index, vector in enumerate(state):
            self.write(vector, self.state, _i64(LANES * index))

    def distances(self, tile: Any, *, guarded: bool) -> list[Any]:
        """The tile's distances as vectors over lanes: eight steps of the even rows, then of the odd ones."""
        builder = self.builder
        step = builder.mul(tile, _i64(LANES))
        found = []
        for parity in (0, 1):
            rows = range(parity, ROWS, 2)
            columns = [builder.sub(step, _i64(row + row // 2)) for row in rows]
            places = [
                builder.add(self.origin, builder.add(builder.mul(_i64(row), self.columns), column))
                for row, column in zip(rows, columns, strict=True)
            ]
            if guarded:
                vectors = [
                    self.read_guarded(row, column, place)
                    for row, column, place in zip(rows, columns, places, strict=True)
                ]
                vectors = self.exchanged(vectors, width=4)
            else:
                vectors = self.read_exchanged(places)
            found += self.exchanged(self.exchanged(vectors, width=2), width=1)
        return found

    def read_exchanged(self, places: Sequence[Any]) -> list[Any]:
        """What `exchanged` by width 4 makes of the reads at eight places, from reads of half the length:
        joining two costs less than exchanging halves of two.
        """
        builder = self.builder
        halves = [
            [
                builder.load(
                    builder.bitcast(
                        builder.gep(self.distance, [builder.add(place, _i64(first))]), _HALF.as_pointer()
                    ),
                    align=8,
                )
                for place in places
            ]
            for first in (0, LANES // 2)
        ]
        return [self.shuffled(half[row], half[row + 4], range(LANES)) for half in halves for row in range(4)]

    def read_guarded(self, row: int, column: Any, place: Any) -> Any:
        """Eight distances from ``column`` on, infinite where they are beside the matrix.

        Addresses outside are not even formed: a masked read of an unmapped page is safe but very slow.
        """
        builder = self.builder
        valid = builder.and_(
            builder.icmp_signed("<", _i64(row), self.rows_left),
            builder.and_(
                builder.icmp_signed(">", column, _i64(-LANES)),
                builder.icmp_signed("<", column, self.columns),
            ),
        )
        pointer = builder.gep(self.distance, [builder.select(valid, place, _i64(0))])
        numbers = builder.add(self.spread(column), _constant(_WORDS, range(LANES)))
        limit = self.spread(builder.select(valid, self.columns, _i64(0)))
        mask = builder.icmp_unsigned("<", numbers, limit)
        kind = ir.FunctionType(_COSTS, [_COSTS.as_pointer(), _I32, mask.type, _COSTS])
        read = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, kind, f"llvm.masked.load.v{LANES}f64.p0"
        )
        pointer = builder.bitcast(pointer, _COSTS.as_pointer())
        return builder.call(read, [pointer, ir.Constant(_I32, 8), mask, _constant(_COSTS, [np.inf] * LANES)])

    def tile(self, tile: Any, state: Sequence[Any], distances: Sequence[Any]) -> list[Any]:
        """Eight steps: stores the codes and the last row's costs, and gives the state after them.

        A code is 32 bits for each lane: bits 2t and 2t + 1 of its even row's half and of its odd row's half
        say that in step t the path came from above, or, whatever the first says, from the left.
        """
        builder = self.builder
        even, odd, diagonal_even, diagonal_odd, late = state
        step = builder.mul(tile, _i64(LANES))
        entering = self.read(self.edge, builder.add(step, _i64(LAST_LAG + 2)))
        codes = _constant(_WORDS, [0] * LANES)
        below = _constant(_COSTS, [0.0] * LANES)
        for t in range(LANES):
            above_even, above_odd = late, even
            late = self.shuffled(entering, odd, [t, *range(LANES, 2 * LANES - 1)])
            even, codes = self.cell(
                above_even, diagonal_even, even, distances[t], codes=codes, first_bit=2 * t
            )
            odd, codes = self.cell(
                above_odd, diagonal_odd, odd, distances[LANES + t], codes=codes, first_bit=16 + 2 * t
            )
            diagonal_even, diagonal_odd = above_even, above_odd
            below = self.shuffled(below, odd, [*range(1, LANES), 2 * LANES - 1])
        self.write(builder.trunc(codes, _CODES), self.codes, step)
        self.write(below, self.edge, builder.add(step, _i64(1)))
        return [even, odd, diagonal_even, diagonal_odd, late]

    def cell(
        self, above: Any, diagonal: Any, left: Any, distance: Any, *, codes: Any, first_bit: int
    ) -> tuple[Any, Any]:
        """The costs of eight cells, and ``codes`` with where they came from; ties to the diagonal, then to
        above.
        """
        builder = self.builder
        is_above = builder.fcmp_ordered("<", above, diagonal)
        best = builder.select(is_above, above, diagonal)
        is_left = builder.fcmp_ordered("<", left, best)
        best = builder.select(is_left, left, best)
        for bit, mask in ((first_bit, is_above), (first_bit + 1, is_left)):
            codes = builder.select(mask, builder.or_(codes, _constant(_WORDS, [1 << bit] * LANES)), codes)
        return builder.fadd(best, distance), codes

    def exchanged(self, rows: Sequence[Any], *, width: int) -> list[Any]:
        """Eight vectors with blocks of ``width`` lanes exchanged; by 4, 2 and 1 this transposes them."""
        rows = list(rows)
        upper = [lane + LANES - width if lane & width else lane for lane in range(LANES)]
        lower = [lane + LANES if lane & width else lane + width for lane in range(LANES)]
        for row in range(LANES):
            if not row & width:
                one, other = rows[row], rows[row + width]
                rows[row] = self.shuffled(one, other, upper)
                rows[row + width] = self.shuffled(one, other, lower)
        return rows

    def shuffled(self, one: Any, other: Any, lanes: Sequence[int]) -> Any:
        """A vector of the named lanes of two, those of the second counted from eight on."""
        return self.builder.shuffle_vector(one, other, _constant(_CODES, lanes))

    def spread(self, word: Any) -> Any:
        """A vector with the same word in every lane."""
        empty = ir.Constant(_WORDS, ir.Undefined)
        single = self.builder.insert_element(empty, word, ir.Constant(_I32, 0))
        return self.shuffled(single, empty, [0] * LANES)

    def read(self, array: Any, place: Any) -> Any:
        """The eight costs from ``place`` on."""
        pointer = self.builder.bitcast(self.builder.gep(array, [place]), _COSTS.as_pointer())
        return self.builder.load(pointer, align=8)

    def write(self, vector: Any, array: Any, place: Any) -> None:
        """Store a vector from ``place`` on."""
        pointer = self.builder.bitcast(self.builder.gep(array, [place]), vector.type.as_pointer())
        self.builder.store(vector, pointer, align=4)


def _i64(value: int) -> Any:
    return ir.Constant(_I64, value)


def _constant(kind: Any, values: Sequence[float]) -> Any:
    return ir.Constant(kind, [ir.Constant(kind.element, value) for value in values])


@intrinsic
def _sweep_freely(typing_context, distance, row, first, stop, edge, state, codes):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Sweep tiles whose reads all stay inside the matrix's memory."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        _Emitter(context, builder, signature, arguments).sweep(guarded=False)
        return context.get_dummy_value()

    return types.void(distance, types.int64, types.int64, types.int64, edge, state, codes), generate


@intrinsic
def _sweep_guarded(typing_context, distance, row, first, stop, edge, state, codes):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Sweep tiles that may reach beyond the matrix."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        _Emitter(context, builder, signature, arguments).sweep(guarded=True)
        return context.get_dummy_value()

    return types.void(distance, types.int64, types.int64, types.int64, edge, state, codes), generate
