package customers

import (
	"unsafe"

	bindings "github.com/duckdb/duckdb-go-bindings"
)

// chunk is a few rows (at most 2048) of a result, column by column. It and what it returns live in DuckDB's memory, and
// only until the function that was given the chunk returns. Asking for another type than the column has reads garbage,
// and so does a NULL: queries here cast every column and leave no NULL.
type chunk struct{ data bindings.DataChunk }

func (c chunk) rows() int { return int(bindings.DataChunkGetSize(c.data)) }

// column returns the values of a column whose type is laid out as T.
func column[T bool | int64 | uint64 | uint16 | text](c chunk, i int) []T {
	vector := bindings.DataChunkGetVector(c.data, bindings.IdxT(i))
	return unsafe.Slice((*T)(bindings.VectorGetData(vector)), c.rows())
}

// text is a VARCHAR: duckdb_string_t of duckdb.h. Up to 12 bytes stand in it, more where its last 8 bytes point to.
// It is never copied, for those 8 bytes are not always a pointer, and Go must not take them for one.
type text struct {
	length uint32
	inline [12]byte
}

// String returns the text without copying it.
func (t *text) String() string {
	if t.length <= uint32(len(t.inline)) {
		return unsafe.String(&t.inline[0], t.length)
	}
	return unsafe.String(*(**byte)(unsafe.Pointer(&t.inline[4])), t.length)
}
