package customers

import "math"

// Until returns the first Unix second after now at which May says something else of somebody than now, math.MaxInt64 if it
// never will.
func (s *Snapshot) Until(now int64) int64 {
	next := int64(math.MaxInt64)
	see := func(moments []uint32) {
		for _, m := range moments {
			if t := int64(m); t > now && t < next && m != Never {
				next = t
			}
		}
	}
	see(s.KeepUntil)
	for _, v := range s.Validity {
		see(v.From)
		see(v.Until)
	}
	return next
}
