#!lua name=@LIBRARY@
-- Every change of a run's state is one function of this library: checked, made and announced in one atomic step, by
-- Redis' own clock. The files are joined in the order that common/CMakeLists.txt lists them; @LIBRARY@ and @PREFIX@
-- carry the schema and the digest of the text, so that two builds work side by side (function_library.cpp).
--
-- KEYS[1] of every function is the prefix of a partition, `reprise:{p0}:`. It is no key itself: it names the slot, and
-- every key touched is made from it (common/queue/keys.hpp lists them), so a call stays in one slot.
-- Replies are arrays of strings and integers; the first element says how it went. A reply that begins with `refused`
-- is {'refused', code, detail}; one that begins with `stale` is {'stale', status, epoch}.
