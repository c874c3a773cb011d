package query

import (
	"slices"
	"strconv"
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
	Has        // the customers of Party that have an amount of measure Name; plans add it, no audience can
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
	w, e, err := parse(text)
	if err != nil {
		return nil, err
	}
	return w.boolean(e)
}

// ParseParts reads a list of audiences, [first, second, …], each about one party, no two about the same: what a total
// adds up, and what a frequency counts.
func ParseParts(text string) ([]*Expr, error) {
	w, e, err := parse(text)
	if err != nil {
		return nil, err
	}
	if e.Kind() != ast.ListKind || e.AsList().Size() == 0 {
		return nil, w.fail(e, "expected a list of audiences, such as [a.member, b.member]")
	}
	var parts []*Expr
	seen := map[string]bool{}
	for _, element := range e.AsList().Elements() {
		part, err := w.boolean(element)
		if err != nil {
			return nil, err
		}
		parties := part.Parties()
		if len(parties) != 1 || seen[parties[0]] {
			return nil, w.fail(element, "each element of the list must be about one party, each party once")
		}
		if part.Holds(nobody) {
			return nil, w.fail(element, "holds for people who are not customers of %s", parties[0])
		}
		seen[parties[0]] = true
		parts = append(parts, part)
	}
	return parts, nil
}

func parse(text string) (walker, ast.Expr, error) {
	if strings.TrimSpace(text) == "" {
		return walker{}, nil, fault.New(fault.Invalid, "audience is empty").WithHint(`write for example "a.member && b.member"`)
	}
	if len(text) > MaxAudience {
		return walker{}, nil, fault.New(fault.Size, "audience has %d bytes, at most %d", len(text), MaxAudience)
	}
	if !utf8.ValidString(text) {
		return walker{}, nil, fault.New(fault.Invalid, "audience is not UTF-8")
	}
	env, err := celEnvironment()
	if err != nil {
		return walker{}, nil, fault.New(fault.Internal, "set up CEL").Wrap(err)
	}
	parsed, issues := env.Parse(text)
	if issues != nil && issues.Err() != nil {
		return walker{}, nil, syntaxError(issues.Errors())
	}
	return walker{parsed.NativeRep().SourceInfo()}, parsed.NativeRep().Expr(), nil
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

// leaves calls visit for every leaf, left to right.
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

// nobody evaluates leaves for people who are not customers of the party.
func nobody(*Expr) bool { return false }

// String returns e in the language of audiences.
func (e *Expr) String() string {
	switch e.Op {
	case And, Or:
		parts := make([]string, len(e.Args))
		for i, a := range e.Args {
			if parts[i] = a.String(); a.Op == And || a.Op == Or {
				parts[i] = "(" + parts[i] + ")"
			}
		}
		return strings.Join(parts, map[Op]string{And: " && ", Or: " || "}[e.Op])
	case Not:
		return "!(" + e.Args[0].String() + ")"
	case Member:
		return e.Party + ".member"
	case Segment:
		return e.Party + "." + e.Name
	case Has:
		return "has(" + e.Party + "." + e.Name + ")"
	}
	if len(e.Values) == 1 {
		return e.Party + "." + e.Name + " == " + strconv.Quote(e.Values[0])
	}
	values := make([]string, len(e.Values))
	for i, v := range e.Values {
		values[i] = strconv.Quote(v)
	}
	return e.Party + "." + e.Name + " in [" + strings.Join(values, ", ") + "]"
}
