package lab

import (
	"context"
	"encoding/json"
	"os"
	"testing"
)

func TestSmoke(t *testing.T) {
	f, err := Load("/tmp/smoke.yaml")
	if err != nil {
		t.Fatal(err)
	}
	l, err := Start(context.Background(), f, Silent())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, q := range f.Questions {
		a, e, c, err := Measure(context.Background(), l.Client, f.Ask(q), nil)
		if err != nil {
			t.Fatal(err)
		}
		json.NewEncoder(os.Stdout).Encode(NewReport(q.Name, a, e, c))
		t.Log(a.Stages, a.Hops)
	}
}
