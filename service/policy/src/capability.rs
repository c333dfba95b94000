//! What a request needs and a model can do.

use serde::{Serialize, Serializer, ser::SerializeSeq};

/// One thing that not every model or engine can do. The first five are Ollama's names for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Capability {
    /// Answers a chat or continues a text.
    Completion = 1,
    /// Calls tools.
    Tools = 1 << 1,
    /// Fills in the middle (`suffix`).
    Insert = 1 << 2,
    /// Sees images.
    Vision = 1 << 3,
    /// Turns text into vectors.
    Embedding = 1 << 4,
    /// Thinks before it answers.
    Thinking = 1 << 5,
    /// Gives several choices for one request (`n`).
    ManyChoices = 1 << 6,
    /// Keeps to a JSON schema or to JSON at all (`response_format`).
    Json = 1 << 7,
}

const ALL: [Capability; 8] = [
    Capability::Completion,
    Capability::Tools,
    Capability::Insert,
    Capability::Vision,
    Capability::Embedding,
    Capability::Thinking,
    Capability::ManyChoices,
    Capability::Json,
];

impl Capability {
    /// The name in the API: Ollama's where it has one.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completion => "completion",
            Self::Tools => "tools",
            Self::Insert => "insert",
            Self::Vision => "vision",
            Self::Embedding => "embedding",
            Self::Thinking => "thinking",
            Self::ManyChoices => "many_choices",
            Self::Json => "json",
        }
    }

    /// The capability of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter()
            .find(|capability| capability.as_str() == name)
    }
}

/// A set of [`Capability`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(u16);

impl Capabilities {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// This set and `capability`.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Self(self.0 | capability as u16)
    }

    /// This set without the members of `other`.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether `capability` is a member.
    #[must_use]
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & capability as u16 != 0
    }

    /// Whether there is no member.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, in the order of the declaration.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        ALL.into_iter()
            .filter(move |capability| self.has(*capability))
    }

    /// The members' names with commas between.
    #[must_use]
    pub fn names(self) -> String {
        self.iter()
            .map(Capability::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<T: IntoIterator<Item = Capability>>(members: T) -> Self {
        members.into_iter().fold(Self::NONE, Self::with)
    }
}

impl Serialize for Capabilities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut names = serializer.serialize_seq(None)?;
        for capability in self.iter() {
            names.serialize_element(capability.as_str())?;
        }
        names.end()
    }
}
