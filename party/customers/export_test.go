package customers

import (
	"context"
	"testing"
)

// Write runs SQL in a DuckDB that may do everything, for tests that need files.
func Write(t testing.TB, statements ...string) {
	t.Helper()
	d, err := newDuck(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	for _, sql := range statements {
		if err := d.exec(context.Background(), sql); err != nil {
			t.Fatalf("%.200s: %s", sql, err)
		}
	}
}
