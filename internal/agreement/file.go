package agreement

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/strictyaml"
)

// Load reads and checks the agreement in a file. Errors are faults: NotFound if there is no file, otherwise Invalid.
func Load(path string) (*Agreement, error) {
	read := defaults()
	err := strictyaml.Load(path, read)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "no agreement at %s", path).Wrap(err).
			WithHint("ask the other members for the agreement's file")
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s", err)
	}
	return checked(path, read)
}

// Parse reads and checks an agreement in YAML. Keys that it does not know are errors, of fault.Invalid like all others.
// The lists of the result are sorted by name, all but that of identifiers.
func Parse(text []byte) (*Agreement, error) {
	const name = "agreement"
	read := defaults()
	if err := strictyaml.Decode(name, bytes.NewReader(text), read); err != nil {
		return nil, fault.New(fault.Invalid, "%s", err)
	}
	return checked(name, read)
}

// defaults returns what a file that leaves a key out means. A key set to 0 or to nothing is not left out, and is refused.
func defaults() *Agreement {
	return &Agreement{
		Limits:   Limits{DeltaPerQuery: DefaultDeltaPerQuery, DeltaTotal: leftOut},
		Noise:    NoiseEveryone,
		Layouts:  []string{LayoutHashed},
		Matching: Matching{Every: leftOutEvery},
	}
}

// leftOut is the δ of a file that does not say: a number that nobody writes.
const leftOut = -math.SmallestNonzeroFloat64

// leftOutEvery is the time between matchings of a file that does not say.
const leftOutEvery time.Duration = math.MinInt64

func checked(name string, read *Agreement) (*Agreement, error) {
	if read.Limits.DeltaTotal == leftOut {
		read.Limits.DeltaTotal = DefaultDeltaTotalFor(read.Limits.DeltaPerQuery)
	}
	switch read.Matching.Every {
	case leftOutEvery:
		read.Matching.Every = 0
	case 0:
		return nil, wrong(name, wrongEvery(0)) // it may mean never or always
	}
	if err := read.Check(); err != nil {
		return nil, wrong(name, err)
	}
	return read.sorted(), nil
}

// DefaultDeltaTotalFor returns the δ of all questions together where one may spend perQuery.
func DefaultDeltaTotalFor(perQuery float64) float64 {
	return max(DefaultDeltaTotal, min(10*perQuery, 0.5), perQuery)
}

// Write checks the agreement and stores it at path as YAML that [Load] reads to an equal hash, with mode 0644: it holds no
// secret. A file that is there is replaced, whole or not at all.
func (a *Agreement) Write(path string) error {
	if err := a.Check(); err != nil {
		return err
	}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(a.sorted()), encoder.Close()); err != nil {
		return fmt.Errorf("write agreement: %w", err)
	}
	draft, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write agreement: %w", err)
	}
	defer os.Remove(draft.Name()) // which is gone if all went well
	_, err = draft.Write(text.Bytes())
	err = errors.Join(err, draft.Chmod(0o644), draft.Sync(), draft.Close())
	if err == nil {
		err = os.Rename(draft.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write agreement: %w", err)
	}
	return nil
}
