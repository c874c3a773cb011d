package ids

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

func checkCountry(country string) error {
	if country != "" && !phonenumbers.GetSupportedRegions()[country] {
		return fmt.Errorf("country %q is not a two-letter code in capitals with a known numbering plan (ISO 3166, as in \"DE\")", country)
	}
	return nil
}

// appendPhone appends the number in E.164. Its length is checked against the country's plan, but not whether the range is
// in use: ranges come and go, and two parties with other versions of the table must still agree on a person.
// A number that can only be dialled locally is shared by a person in every town, and one with an extension by everyone in
// the office (E.164 drops it), so both are nobody.
func appendPhone(out []byte, raw, country string) ([]byte, bool) {
	if !utf8.ValidString(raw) {
		return nil, false
	}
	number, err := phonenumbers.Parse(strings.TrimFunc(raw, isBlank), country)
	if err != nil || number.GetExtension() != "" ||
		phonenumbers.IsPossibleNumberWithReason(number) != phonenumbers.IS_POSSIBLE {
		return nil, false
	}
	return append(out, phonenumbers.Format(number, phonenumbers.E164)...), true
}
