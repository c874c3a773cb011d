package query

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/sotto-dev/sotto/internal/fault"
)

// Op is what an expression node does.
type Op int

// The operations of an audience. Member, Segment and In are leaves and belong to one party; people who are not
// customers of that party are in none of them.
const (
	And     Op = iota
	Or         // of Args
	Not        // of the one in Args
	Member     // every customer of Party
	Segment    // the customers of Party in segment Name
	In         // the customers of Party whose dimension Name has one of Values
)

// Expr is a boolean expression over the people of the collaboration.
type Expr struct {
	Op     Op
	Args   []*Expr
	Party  string
	Name   string
	Values []string
}

// celEnvironment parses CEL without macros and functions of its own; what is allowed is decided by the walk below.
var celEnvironment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(cel.ClearMacros(), cel.ParserRecursionLimit(64), cel.ParserExpressionSizeLimit(MaxAudience))
})

// ParseAudience reads an audience in CEL (cel.dev): party.member, party.segment, party.dimension == "value", != and in
// [list], combined by &&, || and !. A customer with no declared value has the value "unknown". Errors are faults that
// show the position.
func ParseAudience(text string) (*Expr, error) {
	if strings.TrimSpace(text) == "" {
		return nil, fault.New(fault.Invalid, "audience is empty").WithHint(`write for example "a.member && b.member"`)
	}
	if len(text) > MaxAudience {
		return nil, fault.New(fault.Invalid, "audience has %d bytes, at most %d", len(text), MaxAudience)
	}
	if !utf8.ValidString(text) {
		return nil, fault.New(fault.Invalid, "audience is not UTF-8")
	}
	env, err := celEnvironment()
	if err != nil {
		return nil, fault.New(fault.Internal, "set up CEL").Wrap(err)
	}
	parsed, issues := env.Parse(text)
	if issues != nil && issues.Err() != nil {
		return nil, syntaxError(issues.Errors())
	}
	w := walker{parsed.NativeRep().SourceInfo()}
	return w.boolean(parsed.NativeRep().Expr())
}

// syntaxError reports the first error that has a position: CEL finds up to a hundred, and quotes the text with each.
func syntaxError(found []*cel.Error) error {
	at := slices.IndexFunc(found, func(e *cel.Error) bool { return e.Location.Line() > 0 })
	if at < 0 { // only CEL's limits on recursion have none
		return fault.New(fault.Invalid, "audience is nested too deeply").WithHint("write a longer list of && or || without parentheses")
	}
	what, _, _ := strings.Cut(strings.TrimPrefix(found[at].Message, "Syntax error: "), " expecting ")
	return fault.New(fault.Invalid, "audience, line %d column %d: not CEL: %.200s", found[at].Location.Line(), found[at].Location.Column()+1, what).
		WithHint(`write party.segment or party.dimension == "value", combined by &&, || and !`)
}

type walker struct{ source *ast.SourceInfo }

func (w walker) fail(e ast.Expr, format string, args ...any) error {
	at := w.source.GetStartLocation(e.ID())
	return fault.New(fault.Invalid, "audience, line %d column %d: "+format, append([]any{at.Line(), at.Column() + 1}, args...)...)
}

func (w walker) boolean(e ast.Expr) (*Expr, error) {
	switch e.Kind() {
	case ast.SelectKind:
		party, name, err := w.name(e)
		if err != nil {
			return nil, err
		}
		if name == "member" {
			return &Expr{Op: Member, Party: party}, nil
		}
		return &Expr{Op: Segment, Party: party, Name: name}, nil
	case ast.CallKind:
		call := e.AsCall()
		switch call.FunctionName() {
		case operators.LogicalAnd:
			return w.combine(And, call.Args())
		case operators.LogicalOr:
			return w.combine(Or, call.Args())
		case operators.LogicalNot:
			return w.combine(Not, call.Args())
		case operators.Equals, operators.NotEquals, operators.In:
			return w.comparison(e, call)
		}
		return nil, w.fail(e, "%s is not allowed in an audience; use &&, ||, !, ==, != and in", operatorName(call.FunctionName()))
	case ast.IdentKind:
		return nil, w.fail(e, "%q alone is not a segment; write party.segment", e.AsIdent())
	}
	return nil, w.fail(e, "expected a segment or a comparison, such as party.segment or party.dimension == \"value\"")
}

func operatorName(function string) string {
	switch function {
	case operators.Conditional:
		return "operator ?:"
	case operators.Index:
		return "operator []"
	}
	if name, ok := operators.FindReverse(function); ok && name != "" {
		return "operator " + name
	}
	return "function " + strings.Trim(function, "_")
}

func (w walker) combine(op Op, args []ast.Expr) (*Expr, error) {
	out := &Expr{Op: op}
	for _, a := range args {
		inner, err := w.boolean(a)
		if err != nil {
			return nil, err
		}
		out.Args = append(out.Args, inner)
	}
	return out, nil
}

// name reads party.name.
func (w walker) name(e ast.Expr) (party, name string, err error) {
	if e.Kind() != ast.SelectKind || e.AsSelect().Operand().Kind() != ast.IdentKind {
		return "", "", w.fail(e, "expected party.segment or party.dimension")
	}
	return e.AsSelect().Operand().AsIdent(), e.AsSelect().FieldName(), nil
}

// comparison reads party.dimension ==, != or in. That somebody's value differs says that they have one, so != holds
// for customers of the party only.
func (w walker) comparison(e ast.Expr, call ast.CallExpr) (*Expr, error) {
	left, right := call.Args()[0], call.Args()[1]
	if left.Kind() == ast.LiteralKind && call.FunctionName() != operators.In {
		left, right = right, left
	}
	party, name, err := w.name(left)
	if err != nil {
		return nil, err
	}
	var literals []ast.Expr
	if call.FunctionName() == operators.In {
		if right.Kind() != ast.ListKind || right.AsList().Size() == 0 {
			return nil, w.fail(right, "after in comes a list of values, such as [\"a\", \"b\"]")
		}
		literals = right.AsList().Elements()
	} else {
		literals = []ast.Expr{right}
	}
	out := &Expr{Op: In, Party: party, Name: name}
	for _, l := range literals {
		value, ok := "", false
		if l.Kind() == ast.LiteralKind {
			value, ok = l.AsLiteral().Value().(string)
		}
		if !ok {
			return nil, w.fail(l, "%s.%s is compared with something that is not a string in quotes", party, name)
		}
		out.Values = append(out.Values, value)
	}
	if call.FunctionName() == operators.NotEquals {
		return &Expr{Op: And, Args: []*Expr{{Op: Member, Party: party}, {Op: Not, Args: []*Expr{out}}}}, nil
	}
	return out, nil
}

// Parties returns the parties that e names, each once, in order of appearance.
func (e *Expr) Parties() []string {
	var parties []string
	e.leaves(func(l *Expr) {
		if !slices.Contains(parties, l.Party) {
			parties = append(parties, l.Party)
		}
	})
	return parties
}

// Leaves calls visit for every leaf, left to right.
func (e *Expr) leaves(visit func(*Expr)) {
	if e.Op >= Member {
		visit(e)
	}
	for _, a := range e.Args {
		a.leaves(visit)
	}
}

// Holds evaluates e for one person: leaf tells whether the person is in a leaf.
func (e *Expr) Holds(leaf func(*Expr) bool) bool {
	switch e.Op {
	case And:
		return !slices.ContainsFunc(e.Args, func(a *Expr) bool { return !a.Holds(leaf) })
	case Or:
		return slices.ContainsFunc(e.Args, func(a *Expr) bool { return a.Holds(leaf) })
	case Not:
		return !e.Args[0].Holds(leaf)
	}
	return leaf(e)
}

// Conjunction splits e into one expression per party, whose conjunction it is. Each holds for customers of its party
// only; an audience that needs OR or NOT across parties, or is about one party alone, is refused.
func (e *Expr) Conjunction() (map[string]*Expr, error) {
	local := map[string]*Expr{}
	if err := e.conjuncts(local); err != nil {
		return nil, err
	}
	for _, party := range e.Parties() {
		// Outside the party's customers every leaf is false. Where the expression still holds, it needs NOT across parties.
		if local[party].Holds(func(*Expr) bool { return false }) {
			return nil, fault.New(fault.Unsupported, "audience: the part about %s holds for people who are not its customers; "+
				"that needs NOT across parties, which is not supported yet", party).
				WithHint("to mean customers of " + party + " only, add && " + party + ".member")
		}
	}
	if len(local) < 2 {
		return nil, fault.New(fault.Unsupported, "audience is about %s alone; a question needs at least two parties", e.Parties()[0]).
			WithHint("join it with another party's customers, such as && other.member")
	}
	return local, nil
}

func (e *Expr) conjuncts(local map[string]*Expr) error {
	parties := e.Parties()
	if len(parties) == 1 {
		and, ok := local[parties[0]]
		if !ok {
			and = &Expr{Op: And}
			local[parties[0]] = and
		}
		and.Args = append(and.Args, e)
		return nil
	}
	if e.Op != And {
		return fault.New(fault.Unsupported, "audience: %s across parties (%s) is not supported yet",
			map[Op]string{Or: "OR", Not: "NOT"}[e.Op], strings.Join(parties, ", ")).
			WithHint("combine expressions about single parties by &&")
	}
	for _, a := range e.Args {
		if err := a.conjuncts(local); err != nil {
			return err
		}
	}
	return nil
}
