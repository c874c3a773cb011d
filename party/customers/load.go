package customers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/config"
)

// Options say what a load depends on beside the party's file and its source.
type Options struct {
	Agreement *agreement.Agreement // which ids count, and how they are normalised
	Now       time.Time            // rows that are beyond retention then are not used
}

// Load reads the customers of a party from its source. It holds the result, until the end 8 bytes more per customer and
// measure, and a few megabytes of the source at a time, and uses all cores. Errors are faults of the kinds NotFound (no such
// file or table), Limit (more customers than declared), Unavailable (no server) and Invalid (anything else about the source or
// the declaration), or wrap ctx's error once that has ended; they hold no customer's value and no count of customers.
func Load(ctx context.Context, p *config.Party, o Options) (*Snapshot, error) {
	l := &loading{party: p, options: o}
	snapshot, err := l.load(ctx)
	if err != nil {
		return nil, l.failure(ctx, err)
	}
	return snapshot, nil
}

// failure makes of an error one that leaves this package.
func (l *loading) failure(ctx context.Context, err error) error {
	if ctxErr := ctx.Err(); ctxErr != nil {
		return fmt.Errorf("load the customers of %s: %w", l.party.Name, ctxErr)
	}
	var typed *fault.Error
	if !errors.As(err, &typed) {
		typed = fault.New(fault.Internal, "%s", err)
	}
	return fault.New(typed.Kind, "load the customers of %s: %s", l.party.Name, err).WithHint(typed.Hint)
}

// loading is one run of [Load].
type loading struct {
	*duck
	source  source
	party   *config.Party
	options Options
	expressions
	identities []identity
	at         columns  // of the result
	profile    *Profile // is filled in, if it is not nil
}

// identity is a column with ids.
type identity struct {
	config.Matched
	column int
	people int // the column that tells people apart, or -1
}

func (l *loading) load(ctx context.Context) (snapshot *Snapshot, err error) {
	if err := l.party.Check(); err != nil {
		return nil, err
	}
	matched, err := l.party.Matched(l.options.Agreement)
	if err != nil {
		return nil, err
	}
	if l.duck, err = newDuck(ctx); err != nil {
		return nil, err
	}
	defer l.duck.close()
	var must []string
	for _, m := range matched {
		must = append(must, m.Column)
	}
	if l.source, err = open(ctx, l.duck, l.party.Source, must); err != nil {
		return nil, l.explain(ctx, err)
	}
	defer l.source.close()
	if err := l.prepare(ctx, matched); err != nil {
		return nil, l.explain(ctx, err)
	}
	for retry := true; retry; {
		if snapshot, err = l.read(ctx); err == nil || ctx.Err() != nil {
			break
		}
		// The first rows may have misled us about types: look at all rows, and try again.
		again, looked := l.source.again(ctx, l.duck)
		if looked != nil {
			err = looked
		} else if !again {
			err = l.explain(ctx, err)
		}
		retry = looked == nil && (again || l.without(err))
	}
	if changed := l.source.unchanged(); changed != nil {
		err = changed // and nothing else that was found is of interest
	}
	return snapshot, l.explain(ctx, err)
}

// prepare parses the party's SQL and tells the source which columns are needed.
func (l *loading) prepare(ctx context.Context, matched []config.Matched) error {
	for _, m := range matched {
		i := identity{Matched: m, people: -1}
		var err error
		if i.column, err = theColumn(l.source, m.Column); err != nil {
			return err
		}
		l.source.use(i.column, asText)
		if m.People != "" {
			if i.people, err = theColumn(l.source, m.People); err != nil {
				return err
			}
			l.source.use(i.people, unread)
		}
		l.identities = append(l.identities, i)
	}
	l.expressions = expressionsOf(l.party)
	if err := l.whereGood(func(e *expression) error { return l.parse(ctx, e) }); err != nil {
		return err
	}
	if err := l.source.begin(ctx, l.duck); err != nil || l.profile == nil {
		return err
	}
	_, err := l.source.again(ctx, l.duck) // so that no SQL is refused for a type that is only thought
	return err
}

// parse parses one expression and tells the source which columns it names.
func (l *loading) parse(ctx context.Context, e *expression) error {
	if err := e.parse(ctx, l.duck); err != nil {
		return err
	}
	for _, name := range e.columns {
		if find(l.source, name) < 0 {
			continue // it may be a field of a struct, or an error that DuckDB explains
		}
		i, err := theColumn(l.source, name)
		if err != nil {
			return e.refuse(err)
		}
		by := e.role
		if l.bareColumn(e) >= 0 {
			by = unread
		}
		l.source.use(i, by)
	}
	return nil
}

// whereGood keeps the expressions of which f returns nil. An error is the load's, unless problems are to be listed.
func (l *loading) whereGood(f func(*expression) error) error {
	for _, e := range l.all() {
		if err := f(e); err != nil && !l.without(err) {
			return err
		}
	}
	return nil
}

// without takes note of an error that is about one expression, and goes on without that, if problems are to be listed.
func (l *loading) without(err error) bool {
	var why *refusal
	if l.profile == nil || !errors.As(err, &why) {
		return false
	}
	problem := why.Error()
	if why.fault.Hint != "" {
		problem += " (" + why.fault.Hint + ")"
	}
	l.profile.Problems = append(l.profile.Problems, problem)
	for _, list := range l.lists() {
		*list = slices.DeleteFunc(*list, func(e *expression) bool { return e == why.of })
	}
	return true
}

// read takes in all rows under the types that the columns are thought to have.
func (l *loading) read(ctx context.Context) (*Snapshot, error) {
	if err := l.compile(ctx); err != nil {
		return nil, err
	}
	for i, e := range l.dimensions {
		values := make([]string, len(e.values))
		for j, value := range e.values {
			values[j] = quoteText(value)
		}
		if err := l.exec(ctx, fmt.Sprintf("CREATE OR REPLACE TYPE values_%d AS ENUM (%s)", i, strings.Join(values, ", "))); err != nil {
			return nil, err
		}
	}
	rows, err := l.source.rows(ctx, l.duck)
	if err != nil {
		return nil, err
	}
	b := newBuilder(l, rows)
	l.profile.start(l)
	if err := l.source.each(ctx, l.duck, l.query, b.add); err != nil {
		return nil, err
	}
	snapshot, err := b.finish()
	if err != nil {
		return nil, err
	}
	return snapshot, l.undeclared(ctx)
}

// compile checks all SQL against the columns.
func (l *loading) compile(ctx context.Context) error {
	if err := l.exec(ctx, "CREATE OR REPLACE VIEW customers AS SELECT "+typed(l.source)+" FROM "+l.source.from()); err != nil {
		return err
	}
	return l.whereGood(func(e *expression) error { return e.compile(ctx, l.duck) })
}
