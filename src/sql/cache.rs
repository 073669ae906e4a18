//! Facts of texts seen before, for one worker thread.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::SharedSeed;
use foldhash::fast::{FixedState, SeedableRandomState};

use super::blank::blank;
use super::{
    Bound, Bounds, Class, ClassSet, Depth, Details, Edit, ExtensionAct, ExtensionTouch, Facts,
    FieldTouch, HiddenCalls, Localized, NameTouch, ParameterName, ParameterTouch, QualifiedName,
    RelationTouch, RoleTouch, Savepoint, Statement, TakesAway, TemporaryTable, Unset, describe_at,
};

/// How many hashes of texts seen once are remembered (8 bytes each).
const SEEN: usize = 4096;

/// No text may take more than this part of the cache.
const LARGEST_PART: usize = 8;

/// Bytes from which on a text is kept beside its key: a shorter one is found as fast by that.
const WORD_FOR_WORD: usize = 128;

/// Facts by text, bounded in bytes, for one thread (no locks).
///
/// Facts that no constant can change (those of plain reads and writes) are shared by all texts with
/// the same key (see `blank`); others belong to their exact text.
///
/// A text is kept when it is seen for the second time, so that literals written into statements do
/// not push out those that come again; one of some length then has an entry of its own beside its key's. When full, entries not used since the last round go first
/// (CLOCK). Hashes are keyed: a client cannot choose texts that collide.
pub struct FactsCache {
    hasher: SeedableRandomState,
    /// Where the text with a hash is in `entries`.
    places: HashMap<u64, usize, FixedState>,
    entries: Vec<Entry>,
    /// The next entry to look at when room is needed.
    hand: usize,
    bytes: usize,
    max_bytes: usize,
    /// Hashes of texts seen once, each at its own place.
    seen: Box<[u64]>,
    /// For the key of a text.
    key: Vec<u8>,
    hits: u64,
    misses: u64,
    depth: Depth,
}

struct Entry {
    hash: u64,
    text: Box<[u8]>,
    facts: Arc<Facts>,
    /// For every text with this key, and not for this very text alone.
    shared: bool,
    /// What the entry takes, with everything it points to.
    bytes: usize,
    /// Used since the hand last passed.
    used: bool,
}

impl FactsCache {
    /// An empty cache for up to `max_bytes` of texts and facts (and 32 KB of its own).
    /// `seed` should be random: it keys the hashes.
    pub fn new(max_bytes: usize, seed: u64) -> Self {
        Self {
            hasher: SeedableRandomState::with_seed(seed, SharedSeed::global_fixed()),
            places: HashMap::with_hasher(FixedState::with_seed(seed)),
            entries: Vec::new(),
            hand: 0,
            bytes: 0,
            max_bytes,
            seen: vec![0; SEEN].into_boxed_slice(),
            key: Vec::new(),
            hits: 0,
            misses: 0,
            depth: Depth::Surface,
        }
    }

    /// Describes as closely as this from now on; forgets all facts if that is new.
    pub fn set_depth(&mut self, depth: Depth) {
        if std::mem::replace(&mut self.depth, depth) != depth {
            self.places.clear();
            self.entries.clear();
            self.hand = 0;
            self.bytes = 0;
        }
    }

    /// How closely texts are described; [`Depth::Surface`] at first.
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// The facts of `text`, if they are here. Allocates nothing for a text that is kept word for word, and
    /// for others only when they come to be kept so.
    pub fn get(&mut self, text: &[u8]) -> Option<Arc<Facts>> {
        let hash = self.hasher.hash_one(text);
        let found = self.find(text, hash, false);
        let found = found.or_else(|| self.by_key(text, hash));
        *if found.is_some() {
            &mut self.hits
        } else {
            &mut self.misses
        } += 1;
        found
    }

    /// The facts of `text`: those that are here, or described now.
    pub fn describe(&mut self, text: &[u8]) -> Arc<Facts> {
        if let Some(facts) = self.get(text) {
            return facts;
        }
        let facts = Arc::new(describe_at(text, self.depth));
        self.admit(text, &facts);
        facts
    }

    /// Takes the facts of a text that [`Self::get`] did not find (a long one is described off the
    /// worker). They are kept when they come for the second time, unless they could be of another
    /// depth: it may have changed meanwhile.
    pub fn admit(&mut self, text: &[u8], facts: &Arc<Facts>) {
        if !may_be_of(self.depth, facts) {
            return;
        }
        let mut key = std::mem::take(&mut self.key);
        if no_constant_matters(facts) && blank(text, &mut key) {
            self.offer(&key, self.hasher.hash_one(&*key), facts, true);
        } else {
            self.offer(text, self.hasher.hash_one(text), facts, false);
        }
        self.key = key;
    }

    /// Lookups answered from the cache so far.
    pub fn hits(&self) -> u64 {
        self.hits
    }

    /// Lookups not answered from the cache so far.
    pub fn misses(&self) -> u64 {
        self.misses
    }

    /// Bytes in use, of those given to [`FactsCache::new`].
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn find(&mut self, text: &[u8], hash: u64, shared: bool) -> Option<Arc<Facts>> {
        let place = self.places.get(&hash)?;
        let entry = self.entries.get_mut(*place)?;
        // A text that is its own key may use what is shared under it, not the other way round.
        if *entry.text != *text || (shared && !entry.shared) {
            return None;
        }
        entry.used = true;
        Some(Arc::clone(&entry.facts))
    }

    /// The facts that `text` shares with others. A longer text that comes again word for word is kept
    /// besides: it is found in 0.05 us, by its key (1 KB) in 0.5 us.
    fn by_key(&mut self, text: &[u8], hash: u64) -> Option<Arc<Facts>> {
        let mut key = std::mem::take(&mut self.key);
        let found = match blank(text, &mut key) {
            true => self.find(&key, self.hasher.hash_one(&*key), true),
            false => None,
        };
        self.key = key;
        let facts = found?;
        if text.len() >= WORD_FOR_WORD {
            self.offer(text, hash, &facts, false);
        }
        Some(facts)
    }

    /// Keeps a text that was seen before; remembers one that was not.
    fn offer(&mut self, text: &[u8], hash: u64, facts: &Arc<Facts>, shared: bool) {
        let seen = &mut self.seen[hash as usize % SEEN];
        if std::mem::replace(seen, hash) != hash {
            return;
        }
        let bytes = cost(text, facts);
        if bytes > self.max_bytes / LARGEST_PART {
            return;
        }
        // Another text with the same hash stays; this one is described each time.
        if self.places.contains_key(&hash) {
            return;
        }
        while self.bytes + bytes > self.max_bytes {
            self.evict();
        }
        self.bytes += bytes;
        self.places.insert(hash, self.entries.len());
        self.entries.push(Entry {
            hash,
            text: text.into(),
            facts: Arc::clone(facts),
            shared,
            bytes,
            used: false,
        });
    }

    /// Removes the first entry from the hand on that was not used; the hand clears the marks of the others, so
    /// that two rounds find one. Does nothing when empty.
    fn evict(&mut self) {
        while !self.entries.is_empty() {
            self.hand %= self.entries.len();
            let entry = &mut self.entries[self.hand];
            if std::mem::take(&mut entry.used) {
                self.hand += 1;
                continue;
            }
            let entry = self.entries.swap_remove(self.hand);
            self.places.remove(&entry.hash);
            self.bytes -= entry.bytes;
            if let Some(moved) = self.entries.get(self.hand) {
                self.places.insert(moved.hash, self.hand);
            }
            return;
        }
    }
}

/// Facts that are the same whatever the text's constants are. A constant can be a parameter's new
/// value, an option of EXPLAIN, a guarded function's argument; and it moves later statements.
fn no_constant_matters(facts: &Facts) -> bool {
    const PLAIN: ClassSet = ClassSet::of(Class::Read).with(Class::Write);
    let [statement] = facts.statements.as_slice() else {
        return false;
    };
    facts.undescribed.is_none()
        && facts.classes.minus(PLAIN).is_empty()
        && statement.parameters.is_empty()
        && statement.functions.is_empty()
}

/// Could these facts have been described at `depth`? At [`Depth::Names`] there are names and a
/// fingerprint; facts without any could be of either depth and count as of the surface.
fn may_be_of(depth: Depth, facts: &Facts) -> bool {
    if facts.undescribed.is_some() || facts.statements.is_empty() {
        return true;
    }
    let mut details = facts.statements.iter().map(|statement| &statement.details);
    let named = details.any(|details| details.relations.is_some() || details.calls.is_some());
    match depth {
        Depth::Surface => !named,
        Depth::Names => named && facts.fingerprint.is_some(),
    }
}

/// What the lists of a statement's details take.
fn cost_of_details(details: &Details) -> usize {
    let name =
        |name: &QualifiedName| name.name.len() + name.schema.as_ref().map_or(0, |name| name.len());
    let relations = details.relations.iter().flatten();
    let calls = details.calls.iter().flatten();
    let extensions = details.extensions.iter().map(|touch| {
        let version = match &touch.act {
            ExtensionAct::Create { version, .. } | ExtensionAct::Update { version } => version,
            _ => &None,
        };
        touch.name.len() + version.as_ref().map_or(0, |version| version.len())
    });
    let relations = relations.map(|touch| name(&touch.relation) + size_of::<RelationTouch>());
    let calls = calls.map(|call| name(call) + size_of::<QualifiedName>());
    let operators = details.operators().iter();
    let operators = operators.map(|operator| name(operator) + size_of::<QualifiedName>());
    let fields = details.fields().iter().map(|field| {
        let of = field.of.iter();
        let of = of.map(|function| name(function) + size_of::<QualifiedName>());
        field.name.len() + size_of::<FieldTouch>() + of.sum::<usize>()
    });
    let extensions = extensions.map(|bytes| bytes + size_of::<ExtensionTouch>());
    let localized = details.localized.iter().map(|localized| {
        let name = localized.deallocates.as_ref().map_or(0, |name| name.len());
        let unset = localized.unset.len() * size_of::<Unset>();
        size_of::<Localized>() + name + unset + localized.edits.len() * size_of::<Edit>()
    });
    let savepoint = details.savepoint.iter();
    let savepoint = savepoint.map(|savepoint| size_of::<Savepoint>() + savepoint.name.len());
    let by_name = details.by_name.iter();
    let by_name = by_name
        .map(|touch| size_of::<NameTouch>() + touch.name.iter().map(|it| it.len()).sum::<usize>());
    let shows = details.shows.iter().map(|shown| match &**shown {
        ParameterName::Named(name) => size_of_val(&**shown) + name.len(),
        ParameterName::All | ParameterName::Dynamic => size_of_val(&**shown),
    });
    let bound = details.bound.iter();
    let bound = bound.map(|bound| size_of::<Bounds>() + size_of_val::<[Bound]>(&bound.0));
    let temporary = details.temporary_table.iter().map(|table| {
        let names = table
            .names
            .iter()
            .map(|name| size_of_val(name) + name.len());
        size_of::<TemporaryTable>() + names.sum::<usize>()
    });
    let role = details.role.iter();
    let role =
        role.map(|touch| size_of::<RoleTouch>() + touch.role.as_ref().map_or(0, |it| it.len()));
    relations.sum::<usize>()
        + calls.sum::<usize>()
        + details
            .hidden
            .as_ref()
            .map_or(0, |_| size_of::<HiddenCalls>())
        + operators.sum::<usize>()
        + fields.sum::<usize>()
        + extensions.sum::<usize>()
        + localized.sum::<usize>()
        + bound.sum::<usize>()
        + savepoint.sum::<usize>()
        + by_name.sum::<usize>()
        + temporary.sum::<usize>()
        + role.sum::<usize>()
        + shows.sum::<usize>()
        + details
            .takes_away
            .iter()
            .map(|away| size_of::<TakesAway>() + away.what.len())
            .sum::<usize>()
}

/// What an entry takes: the text, the facts with all they own, and its places in both tables.
fn cost(text: &[u8], facts: &Facts) -> usize {
    text.len() + size_of::<Entry>() + 4 * size_of::<u64>() + weight(facts)
}

/// Bytes that facts take, with all they own.
pub fn weight(facts: &Facts) -> usize {
    let statements = facts.statements.iter().map(|statement| {
        let touches = statement.parameters.iter().map(|touch| {
            let name = match &touch.name {
                ParameterName::Named(name) => name.len(),
                _ => 0,
            };
            name + touch.value.as_ref().map_or(0, |value| value.len())
        });
        statement.parameters.capacity() * size_of::<ParameterTouch>()
            + touches.sum::<usize>()
            + statement.functions.capacity() * size_of::<&str>()
            + cost_of_details(&statement.details)
    });
    size_of::<Facts>()
        + facts.statements.capacity() * size_of::<Statement>()
        + statements.sum::<usize>()
        + facts.fingerprint.weight()
}
