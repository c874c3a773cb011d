package customers

import (
	"unsafe"

	bindings "github.com/duckdb/duckdb-go-bindings"
)

// chunk is a few rows (at most 2048) of a result, column by column. It and what it returns live in DuckDB's memory, and
// only until the function that was given the chunk returns. Asking for another type than the column has reads garbage,
// and so does a NULL: queries here cast every column, and leave no NULL but where [nulls] is asked.
type chunk struct{ data bindings.DataChunk }

func (c chunk) rows() int { return int(bindings.DataChunkGetSize(c.data)) }

// column returns the values of a column whose type is laid out as T.
func column[T bool | int64 | uint64 | uint16 | float64 | text](c chunk, i int) []T {
	vector := bindings.DataChunkGetVector(c.data, bindings.IdxT(i))
	return unsafe.Slice((*T)(bindings.VectorGetData(vector)), c.rows())
}

// nulls says which rows of a column are NULL: a bit per row, 0 for NULL (duckdb_vector_get_validity of duckdb.h). It is nil
// if none is.
type nulls []uint64

func (c chunk) nulls(i int) nulls {
	mask := bindings.VectorGetValidity(bindings.DataChunkGetVector(c.data, bindings.IdxT(i)))
	if mask == nil {
		return nil
	}
	return unsafe.Slice((*uint64)(mask), (c.rows()+63)/64)
}

func (n nulls) at(row int) bool { return n != nil && n[row/64]>>(row%64)&1 == 0 }

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
